"""One peer of `bench-peers`: pictures to embeddings in Python, timed after a warm-up. Prints one JSON line.

usage: bench_peer.py PEER LIST REPEATS MODELS [--levels L1,L2]

PEER is `onnxruntime` or `openvino` (YuNet and MobileFaceNet on that runtime, OpenCV for pixels), `face_recognition`
(dlib's HOG detector, five points and ResNet) or `face_recognition_cnn` (with its MMOD detector). LIST names one picture a line. Every peer uses
one thread. `--levels` gives the longest sides at which the detector runs; without it the picture's own size.
"""
import json
import sys
import time

import numpy as np

REFERENCE_112 = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float32
)
# ONNX Runtime cannot reshape the 2023 file (fixed 640 x 640), so it gets the export with free shapes: faster for it.
YUNET = {"onnxruntime": "yunet/face_detection_yunet_2026may.onnx", "openvino": "yunet/face_detection_yunet_2023mar.onnx"}
MOBILEFACENET = "mobilefacenet/mobilefacenet_y1_128.onnx"


class OnnxRuntime:
    def __init__(self, path, _shape):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.name = self.session.get_inputs()[0].name
        self.names = [output.name for output in self.session.get_outputs()]

    def __call__(self, tensor):
        return dict(zip(self.names, self.session.run(None, {self.name: tensor})))


class OpenVino:
    def __init__(self, path, shape):
        import openvino

        core = openvino.Core()
        model = core.read_model(path)
        model.reshape(shape)
        settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
        self.request = core.compile_model(model, "CPU", settings).create_infer_request()
        self.names = [output.any_name for output in model.outputs]

    def __call__(self, tensor):
        results = self.request.infer([tensor], share_inputs=True, share_outputs=True)
        return {name: results[index] for index, name in enumerate(self.names)}


def canvas(side):
    return -(-side // 32) * 32


class YuNet:
    """The detector with its outputs decoded in numpy; networks are kept by input size."""

    def __init__(self, runtime, path):
        self.runtime, self.path, self.networks = runtime, path, {}

    def network(self, height, width):
        if (height, width) not in self.networks:
            self.networks[height, width] = self.runtime(self.path, [1, 3, height, width])
        return self.networks[height, width]

    def __call__(self, image, threshold=0.6):
        import cv2

        height, width = canvas(image.shape[0]), canvas(image.shape[1])
        padded = cv2.copyMakeBorder(image, 0, height - image.shape[0], 0, width - image.shape[1], cv2.BORDER_CONSTANT)
        outputs = self.network(height, width)(padded.transpose(2, 0, 1)[None].astype(np.float32))
        rows = []
        for stride in (8, 16, 32):
            columns = width // stride
            score = np.sqrt(np.clip(outputs[f"cls_{stride}"][0, :, 0], 0, 1) * np.clip(outputs[f"obj_{stride}"][0, :, 0], 0, 1))
            keep = np.nonzero(score >= threshold)[0]
            if not len(keep):
                continue
            c, r = keep % columns, keep // columns
            box, points = outputs[f"bbox_{stride}"][0, keep], outputs[f"kps_{stride}"][0, keep]
            size = np.exp(box[:, 2:4]) * stride
            centre = np.stack([(c + box[:, 0]) * stride, (r + box[:, 1]) * stride], 1)
            points = (points.reshape(-1, 5, 2) + np.stack([c, r], 1)[:, None]) * stride
            rows.append(np.concatenate([centre - size / 2, size, points.reshape(-1, 10), score[keep, None]], 1))
        if not rows:
            return np.zeros((0, 15), np.float32)
        faces = np.concatenate(rows)
        kept = cv2.dnn.NMSBoxes(faces[:, :4].tolist(), faces[:, 14].tolist(), threshold, 0.3)
        return faces[np.array(kept).ravel()]


def similarity(points, reference):
    """Least-squares similarity of five points onto five (Umeyama, 1991), 2 x 3."""
    mean, target = points.mean(0), reference.mean(0)
    a, b = points - mean, reference - target
    norm = (a**2).sum()
    p, q = (a * b).sum() / norm, (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / norm
    matrix = np.array([[p, -q, 0], [q, p, 0]], np.float32)
    matrix[:, 2] = target - matrix[:, :2] @ mean
    return matrix


def network_pipeline(peer, models, levels):
    import cv2

    cv2.setNumThreads(1)
    runtime = {"onnxruntime": OnnxRuntime, "openvino": OpenVino}[peer]
    detector = YuNet(runtime, f"{models}/{YUNET[peer]}")
    embedder = runtime(f"{models}/{MOBILEFACENET}", [1, 3, 112, 112])

    def pipeline(path):
        with open(path, "rb") as file:
            image = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_COLOR)
        longest = max(image.shape[:2])
        found = []
        for level in levels or [longest]:
            scale = min(1.0, level / longest)
            small = image if scale == 1 else cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            faces = detector(small)
            faces[:, :14] /= scale
            found.append(faces)
        faces = np.concatenate(found)
        if not len(faces):
            return None
        face = faces[np.argmax(faces[:, 2] * faces[:, 3])]
        warped = cv2.warpAffine(image, similarity(face[4:14].reshape(5, 2), REFERENCE_112), (112, 112))
        tensor = warped[:, :, ::-1].transpose(2, 0, 1)[None].astype(np.float32)
        vector = next(iter(embedder(tensor).values())).ravel()
        return vector / np.linalg.norm(vector)

    return pipeline


def face_recognition_pipeline(detector):
    import face_recognition

    def pipeline(path):
        image = face_recognition.load_image_file(path)
        encodings = face_recognition.face_encodings(image, face_recognition.face_locations(image, model=detector))
        return encodings[0] if encodings else None

    return pipeline


def main():
    peer, listing, repeats, models = sys.argv[1:5]
    levels = [int(v) for v in sys.argv[6].split(",")] if len(sys.argv) > 6 else None
    paths = open(listing, encoding="utf-8").read().split("\n")
    paths = [path for path in paths if path]
    if peer.startswith("face_recognition"):
        pipeline = face_recognition_pipeline("cnn" if peer.endswith("cnn") else "hog")
    else:
        pipeline = network_pipeline(peer, models, levels)
    for path in paths[:5]:
        pipeline(path)
    started = time.perf_counter()
    faces = sum(pipeline(path) is not None for _ in range(int(repeats)) for path in paths)
    seconds = time.perf_counter() - started
    print(json.dumps({"peer": peer, "pictures": len(paths) * int(repeats), "faces": faces, "seconds": seconds}))


main()
