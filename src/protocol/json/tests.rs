use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::gallery::expectation::{Expectation, Fpir, Unknown};
use crate::gallery::similarity::RateSource;
use crate::gallery::{CollectionId, FaceId, ImageId, UserId};
use crate::operations::types::{
    BoxRatio, FaceDetail, FaceMatch, FaceRecord, ImageSource, QualityFilter, Reason, UnusedFace, UserStatus,
};
use crate::operations::{self, Request, Response};
use crate::protocol::errors::Fault;
use crate::vision::{Landmarks, PointPx, Pose, Quality};

const FACE: &str = "3b1d2c4e-0a1b-4c5d-8e9f-001122334455";

fn parsed(operation: &str, body: &serde_json::Value) -> Result<Request, Fault> {
    parse_request(operation, body.to_string().as_bytes())
}

/// Code and message of a refusal.
fn refusal(operation: &str, body: &serde_json::Value) -> (&'static str, String) {
    let fault = parsed(operation, body).unwrap_err();
    (fault.code, fault.message)
}

fn violation(value: &str, path: &str, constraint: &str) -> String {
    format!("Value {value} at '{path}' failed to satisfy constraint: Member must {constraint}")
}

/// For each operation a body with required members only, and one with all.
fn honest_bodies() -> Vec<(&'static str, serde_json::Value, serde_json::Value)> {
    let image = json!({"Bytes": "AQID"});
    let arn = "arn:aws:rekognition:us-east-1:000000000000:collection/c";
    let object = json!({"S3Object": {"Bucket": "pics", "Name": "a/b.jpg", "Version": "v"}});
    let (c, f) = (json!({"CollectionId": "c"}), json!([FACE]));
    let with = |base: &serde_json::Value, more: serde_json::Value| {
        let mut all = base.clone();
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let user = with(&c, json!({"UserId": "u"}));
    let user_faces = with(&user, json!({"FaceIds": f}));
    let c_image = with(&c, json!({"Image": image}));
    let page = json!({"NextToken": "t", "MaxResults": 3});
    let token = json!({"ClientRequestToken": "t-1"});
    let two = json!({"SourceImage": image, "TargetImage": object});
    vec![
        ("CreateCollection", c.clone(), with(&c, json!({"Tags": {"a b": "c"}}))),
        ("DescribeCollection", c.clone(), c.clone()),
        ("ListCollections", json!({}), page.clone()),
        ("DeleteCollection", c.clone(), c.clone()),
        (
            "IndexFaces",
            c_image.clone(),
            with(
                &c_image,
                json!({"ExternalImageId": "x:1", "DetectionAttributes": ["ALL"], "MaxFaces": 1, "QualityFilter": "HIGH"}),
            ),
        ),
        ("ListFaces", c.clone(), with(&with(&c, page.clone()), json!({"UserId": "u", "FaceIds": f}))),
        ("DeleteFaces", with(&c, json!({"FaceIds": f})), with(&c, json!({"FaceIds": [FACE, FACE]}))),
        (
            "SearchFaces",
            with(&c, json!({"FaceId": FACE})),
            with(&c, json!({"FaceId": FACE, "MaxFaces": 4096, "FaceMatchThreshold": 100})),
        ),
        (
            "SearchFacesByImage",
            c_image.clone(),
            with(&c_image, json!({"MaxFaces": 1, "FaceMatchThreshold": 0, "QualityFilter": "NONE"})),
        ),
        ("DetectFaces", json!({"Image": image}), json!({"Image": object, "Attributes": ["DEFAULT", "SMILE"]})),
        ("CompareFaces", two.clone(), with(&two, json!({"SimilarityThreshold": 80.5, "QualityFilter": "LOW"}))),
        ("CreateUser", user.clone(), with(&user, token.clone())),
        ("DeleteUser", user.clone(), with(&user, token.clone())),
        ("ListUsers", c.clone(), with(&c, page)),
        (
            "AssociateFaces",
            user_faces.clone(),
            with(&with(&user_faces, token.clone()), json!({"UserMatchThreshold": 75})),
        ),
        ("DisassociateFaces", user_faces.clone(), with(&user_faces, token)),
        ("SearchUsers", user.clone(), with(&c, json!({"FaceId": FACE, "MaxUsers": 500, "UserMatchThreshold": 1.5}))),
        (
            "SearchUsersByImage",
            c_image.clone(),
            with(&c_image, json!({"MaxUsers": 1, "UserMatchThreshold": 1, "QualityFilter": "AUTO"})),
        ),
        ("TagResource", json!({"ResourceArn": arn, "Tags": {}}), json!({"ResourceArn": arn, "Tags": {"k": ""}})),
        ("UntagResource", json!({"ResourceArn": arn, "TagKeys": []}), json!({"ResourceArn": arn, "TagKeys": ["k"]})),
        ("ListTagsForResource", json!({"ResourceArn": arn}), json!({"ResourceArn": arn})),
        ("ListAccessKeys", json!({}), json!({})),
        (
            "CreateAccessKey",
            json!({}),
            json!({"Tenant": "t", "Purpose": "media-archive", "Case": "C-1/2", "Role": "auditor"}),
        ),
        ("GetLedger", json!({}), json!({})),
        (
            "ListEntries",
            json!({}),
            json!({"MaxResults": 100, "NextToken": "x", "Operation": "SearchFaces", "Outcome": "denied"}),
        ),
        ("GetUsage", json!({}), json!({"From": "2026-01-01", "Until": "2026-12-31"})),
        (
            "RevokeAccessKey",
            json!({"AccessKeyId": "TRMB234567ABCDEFGHIJ"}),
            json!({"AccessKeyId": "TRMB234567ABCDEFGHIJ"}),
        ),
        ("GetExpectations", json!({}), with(&c, json!({"Users": true}))),
    ]
}

#[test]
fn every_operation_takes_its_least_and_its_most() {
    let bodies = honest_bodies();
    assert_eq!(bodies.len(), SERVED.len() + OWN.len());
    for (operation, least, most) in bodies {
        for body in [least, most] {
            let request = parsed(operation, &body).unwrap_or_else(|fault| panic!("{operation} {body}: {fault:?}"));
            assert_eq!(request.operation(), operation);
        }
    }
}

#[test]
fn unknown_members_are_ignored_and_null_is_absent() {
    for (operation, least, most) in honest_bodies() {
        let mut noisy = least.clone();
        noisy["Unknown"] = json!({"deep": [1, {"a": null}]});
        for name in most.as_object().unwrap().keys().filter(|name| least.get(name.as_str()).is_none()) {
            if !(operation == "SearchUsers" && name == "FaceId") {
                noisy[name] = json!(null);
            }
        }
        assert_eq!(parsed(operation, &noisy), parsed(operation, &least), "{operation}");
    }
}

#[test]
fn each_required_member_is_missed_by_name() {
    for (operation, least, _) in honest_bodies() {
        for name in least.as_object().unwrap().keys() {
            let mut body = least.clone();
            body[name] = json!(null);
            let (code, message) = refusal(operation, &body);
            if operation == "SearchUsers" && name == "UserId" {
                assert_eq!((code, message.as_str()), ("InvalidParameterException", "Request has invalid parameters"));
            } else {
                let path = format!("{}{}", name[..1].to_lowercase(), &name[1..]);
                let expected = format!("1 validation error detected: {}", violation("null", &path, "not be null"));
                assert_eq!((code, message), ("ValidationException", expected), "{operation}");
            }
        }
    }
}

#[test]
fn each_limit_holds_and_is_told_in_awss_words() {
    struct Case(&'static str, &'static str, serde_json::Value, serde_json::Value, String);
    let long = |n: usize| json!("a".repeat(n));
    let pattern = |value: &str, path: &str, text: &str| {
        violation(value, path, &format!("satisfy regular expression pattern: {text}"))
    };
    let at_most =
        |value: &str, path: &str, max: u32| violation(value, path, &format!("have value less than or equal to {max}"));
    let at_least = |value: &str, path: &str, min: u32| {
        violation(value, path, &format!("have value greater than or equal to {min}"))
    };
    let cases = [
        Case(
            "DescribeCollection",
            "CollectionId",
            json!("a_.-9"),
            json!("a b"),
            pattern("'a b'", "collectionId", r"[a-zA-Z0-9_.\-]+"),
        ),
        Case("CreateUser", "UserId", json!("a:b"), json!("é"), pattern("'é'", "userId", r"[a-zA-Z0-9_.\-:]+")),
        Case(
            "CreateUser",
            "ClientRequestToken",
            long(64),
            json!("a b"),
            pattern("'a b'", "clientRequestToken", "^[a-zA-Z0-9-_]+$"),
        ),
        Case(
            "SearchFaces",
            "FaceId",
            json!(FACE),
            json!("x"),
            pattern("'x'", "faceId", "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
        ),
        Case("SearchFaces", "MaxFaces", json!(4096), json!(4097), at_most("'4097'", "maxFaces", 4096)),
        Case("SearchFaces", "MaxFaces", json!(1), json!(0), at_least("'0'", "maxFaces", 1)),
        Case(
            "SearchFaces",
            "FaceMatchThreshold",
            json!(100.0),
            json!(100.5),
            at_most("'100.5'", "faceMatchThreshold", 100),
        ),
        Case("SearchFaces", "FaceMatchThreshold", json!(0), json!(-1), at_least("'-1.0'", "faceMatchThreshold", 0)),
        Case("ListUsers", "MaxResults", json!(500), json!(501), at_most("'501'", "maxResults", 500)),
        Case("ListFaces", "MaxResults", json!(4096), json!(4097), at_most("'4097'", "maxResults", 4096)),
        Case(
            "SearchFacesByImage",
            "QualityFilter",
            json!("MEDIUM"),
            json!("BEST"),
            violation("'BEST'", "qualityFilter", "satisfy enum value set: [NONE, AUTO, LOW, MEDIUM, HIGH]"),
        ),
        Case(
            "DeleteFaces",
            "FaceIds",
            json!([FACE]),
            json!([]),
            violation("'[0 members]'", "faceIds", "have length greater than or equal to 1"),
        ),
        Case(
            "AssociateFaces",
            "FaceIds",
            json!(vec![FACE; 100]),
            json!(vec![FACE; 101]),
            violation("'[101 members]'", "faceIds", "have length less than or equal to 100"),
        ),
        Case(
            "DeleteFaces",
            "FaceIds",
            json!(vec![FACE; 4096]),
            json!(vec![FACE; 4097]),
            violation("'[4097 members]'", "faceIds", "have length less than or equal to 4096"),
        ),
        Case(
            "DescribeCollection",
            "CollectionId",
            long(255),
            json!(""),
            format!(
                "{}; {}",
                violation("''", "collectionId", "have length greater than or equal to 1"),
                pattern("''", "collectionId", r"[a-zA-Z0-9_.\-]+")
            ),
        ),
    ];
    let bodies = honest_bodies();
    for Case(operation, name, at, over, expected) in cases {
        let mut body = bodies.iter().find(|(known, ..)| *known == operation).unwrap().1.clone();
        body[name] = at;
        assert!(parsed(operation, &body).is_ok(), "{operation} {name}");
        body[name] = over;
        let (code, message) = refusal(operation, &body);
        assert_eq!(code, "ValidationException");
        let text = message.split_once(": ").unwrap().1;
        assert_eq!(text, expected);
    }
}

#[test]
fn too_long_texts_are_refused_and_shown_in_part() {
    for (operation, name, max) in [
        ("DescribeCollection", "CollectionId", 255),
        ("CreateUser", "UserId", 128),
        ("CreateUser", "ClientRequestToken", 64),
    ] {
        let mut body = json!({"CollectionId": "c", "UserId": "u"});
        body[name] = json!("a".repeat(max));
        assert!(parsed(operation, &body).is_ok(), "{name}");
        body[name] = json!("a".repeat(max + 1));
        assert!(refusal(operation, &body).1.ends_with(&format!("have length less than or equal to {max}")));
    }
    let (_, message) = refusal("DescribeCollection", &json!({"CollectionId": "a".repeat(1_000_000)}));
    assert!(message.len() < 600, "{}", message.len());
}

#[test]
fn all_violations_are_told_at_once() {
    let body = json!({"CollectionId": "a b", "FaceId": "x", "MaxFaces": 0});
    let (code, message) = refusal("SearchFaces", &body);
    assert_eq!(code, "ValidationException");
    assert!(message.starts_with("3 validation errors detected: Value 'a b' at 'collectionId'"), "{message}");
    assert_eq!(message.matches("; Value").count(), 2);
}

#[test]
fn wrong_types_are_serialization_errors() {
    let cases = [
        ("DescribeCollection", json!({"CollectionId": 1}), "NUMBER_VALUE can not be converted to a String"),
        ("DescribeCollection", json!({"CollectionId": true}), "TRUE_VALUE can not be converted to a String"),
        ("DescribeCollection", json!({"CollectionId": ["c"]}), "Start of list found where not expected"),
        ("DescribeCollection", json!({"CollectionId": {}}), "Start of structure or map found where not expected."),
        ("ListCollections", json!({"MaxResults": "3"}), "STRING_VALUE can not be converted to Integer"),
        ("ListCollections", json!({"MaxResults": 3.5}), "NUMBER_VALUE can not be converted to an Integer"),
        ("ListCollections", json!({"MaxResults": 1e300}), "NUMBER_VALUE can not be converted to an Integer"),
        ("ListCollections", json!([]), "Start of list found where not expected"),
        ("ListCollections", json!(null), "Unexpected field type"),
        ("DetectFaces", json!({"Image": "AQID"}), "Unexpected field type"),
        ("DetectFaces", json!({"Image": {"Bytes": [1, 2]}}), "Start of list found where not expected"),
    ];
    for (operation, body, text) in cases {
        assert_eq!(refusal(operation, &body), ("SerializationException", text.to_owned()), "{body}");
    }
}

#[test]
fn bodies_that_are_no_json_end_early_and_cheaply() {
    let deep = "[".repeat(10_000);
    let nested = format!("{{\"Unknown\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let many = format!("{{\"Unknown\":[{}0]}}", "0,".repeat(1_000_000));
    let bodies: [&[u8]; 8] =
        [b"", b" ", b"{", b"{}x", b"{\"a\":\xff\"\"}", deep.as_bytes(), nested.as_bytes(), many.as_bytes()];
    for body in bodies {
        assert_eq!(parse_request("ListCollections", body).unwrap_err().code, "SerializationException");
    }
    let not_utf8 = b"{\"CollectionId\":\"\xff\xfe\"}";
    assert_eq!(parse_request("DescribeCollection", not_utf8).unwrap_err().code, "SerializationException");
}

#[test]
fn whole_numbers_may_carry_a_point() {
    for number in ["80", "80.0", "8e1"] {
        let body = format!(
            "{{\"CollectionId\":\"c\",\"FaceId\":\"{FACE}\",\"FaceMatchThreshold\":{number},\"MaxFaces\":{number}}}"
        );
        let Ok(Request::SearchFaces(input)) = parse_request("SearchFaces", body.as_bytes()) else { panic!("{number}") };
        assert_eq!((input.threshold, input.faces_max), (Some(80.0), Some(80)));
    }
}

#[test]
fn pictures_are_standard_base64() {
    let image = |text: &str| parsed("DetectFaces", &json!({"Image": {"Bytes": text}}));
    let Ok(Request::DetectFaces(input)) = image("+/8=") else { panic!() };
    assert_eq!(input.image, ImageSource::Bytes(vec![0xfb, 0xff]));
    for bad in ["-_8=", "+/8", "+/8==", "+ /8=", "+/8=\n", "é"] {
        assert_eq!(image(bad).unwrap_err().code, "SerializationException", "{bad}");
    }
    let empty = image("").unwrap_err();
    assert_eq!(
        empty.message,
        "1 validation error detected: Value 'java.nio.HeapByteBuffer[pos=0 lim=0 cap=0]' at 'image.bytes' failed to satisfy constraint: Member must have length greater than or equal to 1"
    );
    let text = |bytes: usize| base64_simd::STANDARD.encode_to_string(vec![0; bytes]);
    assert!(image(&text(5_242_880)).is_ok());
    assert_eq!(
        image(&text(5_242_881)).unwrap_err().message,
        "1 validation error detected: Value 'java.nio.HeapByteBuffer[pos=0 lim=5242881 cap=5242881]' at 'image.bytes' failed to satisfy constraint: Member must have length less than or equal to 5242880"
    );
}

#[test]
fn exactly_one_of_two_is_asked_for() {
    let object = json!({"Bucket": "pics", "Name": "a"});
    let cases = [
        ("DetectFaces", json!({"Image": {}})),
        ("DetectFaces", json!({"Image": {"Bytes": "AQID", "S3Object": object}})),
        ("DetectFaces", json!({"Image": {"S3Object": {"Bucket": "pics"}}})),
        ("SearchUsers", json!({"CollectionId": "c"})),
        ("SearchUsers", json!({"CollectionId": "c", "UserId": "u", "FaceId": FACE})),
    ];
    for (operation, body) in cases {
        let expected = ("InvalidParameterException", "Request has invalid parameters".to_owned());
        assert_eq!(refusal(operation, &body), expected, "{body}");
    }
}

#[test]
fn defaults_of_the_quality_filter_differ() {
    let body = json!({"CollectionId": "c", "Image": {"Bytes": "AQID"}});
    let Ok(Request::IndexFaces(index)) = parsed("IndexFaces", &body) else { panic!() };
    let Ok(Request::SearchFacesByImage(search)) = parsed("SearchFacesByImage", &body) else { panic!() };
    assert_eq!((index.quality_filter, search.quality_filter), (QualityFilter::Auto, QualityFilter::None));
}

#[test]
fn operations_of_our_own_have_their_shapes() {
    use crate::gallery::similarity::{Calibration, StatedRate};
    use crate::operations::{create_access_key, get_expectations, list_access_keys};
    use crate::vision::ModelId;
    let body =
        |response: Response| -> serde_json::Value { serde_json::from_slice(&write_response(&response).body).unwrap() };
    let keys = vec![
        list_access_keys::KeySummary { access_key_id: "A".into(), active: true, created_ms: 1500 },
        list_access_keys::KeySummary { access_key_id: "B".into(), active: false, created_ms: 0 },
    ];
    let expected = json!({"AccessKeys": [
        {"AccessKeyId": "A", "Status": "Active", "CreateDate": 1.5},
        {"AccessKeyId": "B", "Status": "Inactive", "CreateDate": 0.0},
    ]});
    assert_eq!(body(Response::ListAccessKeys(list_access_keys::Output { keys })), expected);
    let made = create_access_key::Output { access_key_id: "A".into(), secret_access_key: "s".into() };
    let expected = json!({"AccessKey": {"AccessKeyId": "A", "SecretAccessKey": "s", "Status": "Active"}});
    assert_eq!(body(Response::CreateAccessKey(made)), expected);

    let fmr = StatedRate { rate: 1e-4, low: 9e-5, high: 1.1e-4, source: RateSource::Counted };
    let fpir = Fpir::Known { rate: 0.01, low: 0.009, high: 0.011, source: RateSource::Counted };
    let output = get_expectations::Output {
        model: ModelId::new("m"),
        faces: Some(100),
        calibration: std::sync::Arc::new(Calibration::none(ModelId::new("m"))),
        thresholds: vec![
            get_expectations::AtThreshold { percent: 80.0, fmr, fpir: Some(fpir) },
            get_expectations::AtThreshold { percent: 81.0, fmr, fpir: None },
        ],
        unknown: Some(Unknown::UserVectors),
    };
    let told = body(Response::GetExpectations(output));
    assert_eq!((&told["Model"], &told["Faces"], &told["Unknown"]), (&json!("m"), &json!(100), &json!("user-vectors")));
    let first = json!({"Threshold": 80.0, "FalseMatchRate": 1e-4, "Basis": "counted", "Fpir": 0.01, "Lower": 0.009, "Upper": 0.011});
    assert_eq!(told["Thresholds"], json!([first, {"Threshold": 81.0, "FalseMatchRate": 1e-4, "Basis": "counted"}]));
    assert_eq!(told["Levels"], json!([]));

    let (code, _) = refusal("GetExpectations", &json!({"Users": "yes"}));
    assert_eq!(code, "SerializationException");
    let (code, text) = refusal("RevokeAccessKey", &json!({"AccessKeyId": "short"}));
    assert_eq!(code, "ValidationException");
    assert!(text.contains("accessKeyId"), "{text}");
}

#[test]
fn the_two_lists_are_the_75_operations() {
    let all: std::collections::BTreeSet<_> = SERVED.iter().chain(&NOT_SERVED).collect();
    assert_eq!(all.len(), 75);
    for operation in NOT_SERVED {
        let fault = parse_request(operation, b"{}").unwrap_err();
        assert_eq!(fault.code, "UnknownOperationException");
        assert!(fault.message.starts_with(&format!("{operation} is not served")));
    }
    assert_eq!(operation_of_target("RekognitionService.DetectFaces"), Some("DetectFaces"));
    assert_eq!(operation_of_target("Trombi.GetExpectations"), Some("GetExpectations"));
    for other in [
        "Trombi.DetectFaces",
        "RekognitionService.GetExpectations",
        "DetectFaces",
        "RekognitionService.",
        "RekognitionService.detectfaces",
        "S3.DetectFaces",
        "",
    ] {
        assert_eq!(operation_of_target(other), None);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(operation in 0..SERVED.len(), body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_request(SERVED[operation], &body);
    }

    #[test]
    fn no_json_makes_it_panic(
        operation in 0..SERVED.len(), text in ".{0,300}", number in any::<f64>(), nested in any::<bool>(),
    ) {
        let value = |i: usize| match (i + usize::from(nested)) % 4 {
            0 => json!(text), 1 => json!(number), 2 => json!([text]), _ => json!({"Bytes": text, "Bucket": number}),
        };
        let names = ["CollectionId", "Image", "FaceIds", "FaceId", "MaxFaces", "Tags", "UserId", "TagKeys", "ResourceArn"];
        let body: serde_json::Map<String, serde_json::Value> =
            names.iter().enumerate().map(|(i, name)| ((*name).to_owned(), value(i))).collect();
        let _ = parsed(SERVED[operation], &body.into());
    }
}

fn detail() -> FaceDetail {
    let at = |x, y| PointPx { x, y };
    FaceDetail {
        box_ratio: BoxRatio { left: 0.1, top: 0.2, width: 0.3, height: 0.4 },
        confidence: 99.5,
        mouth_seen: true,
        landmarks_ratio: Landmarks {
            right_eye: at(0.25, 0.5),
            left_eye: at(0.75, 0.5),
            nose: at(0.5, 0.625),
            mouth_right: at(0.25, 0.75),
            mouth_left: at(0.75, 0.75),
        },
        pose: Pose { roll_deg: 1.5, yaw_deg: f32::NAN, pitch_deg: -2.0 },
        quality: Quality { brightness: 50.0, sharpness: 60.0 },
    }
}

fn record() -> FaceRecord {
    FaceRecord {
        face_id: FaceId::parse(FACE).unwrap(),
        image_id: ImageId::parse(FACE).unwrap(),
        external_image_id: None,
        box_ratio: BoxRatio { left: 0.0, top: 0.0, width: 1.0, height: 1.0 },
        confidence: 90.0,
        model_version: "1.0".to_owned(),
        user_id: None,
    }
}

fn written(response: &Response) -> serde_json::Value {
    serde_json::from_slice(&write_response(response).body).unwrap()
}

fn expected() -> Expectation {
    let fpir = Fpir::Known { rate: 0.010_049, low: 0.008_12, high: 2.5e-5, source: RateSource::Counted };
    Expectation { enrolled: 100, fpir }
}

#[test]
fn every_search_answer_says_what_a_stranger_would_find() {
    let header = |expected| {
        let answer = write_response(&Response::SearchUsers(operations::search_users::Output {
            searched: operations::search_users::Probe::User(UserId::parse("u").unwrap()),
            matches: vec![],
            model_version: "1.0".to_owned(),
            expected,
        }));
        let [(name, value)] = &answer.headers[..] else { panic!("{answer:?}") };
        assert_eq!(*name, EXPECTED);
        value.clone()
    };
    assert_eq!(header(expected()), "fpir=0.0100;lo=0.00812;hi=2.50e-5;n=100;basis=counted");
    let unknown = |why, enrolled| Expectation { enrolled, fpir: Fpir::Unknown(why) };
    assert_eq!(header(unknown(Unknown::Uncalibrated, 3)), "fpir=unknown;why=uncalibrated;n=3");
    assert_eq!(header(unknown(Unknown::UserVectors, 2)), "fpir=unknown;why=user-vectors;n=2");
    let detected = write_response(&Response::DetectFaces(operations::detect_faces::Output { faces: vec![] }));
    assert!(detected.headers.is_empty());
}

#[test]
fn sides_on_the_wire_are_the_pictures() {
    let answer = written(&Response::DetectFaces(operations::detect_faces::Output { faces: vec![detail()] }));
    let face = &answer["FaceDetails"][0];
    let x_of = |kind: &str| {
        let points = face["Landmarks"].as_array().unwrap();
        points.iter().find(|point| point["Type"] == kind).unwrap()["X"].as_f64().unwrap()
    };
    assert!(x_of("eyeLeft") < x_of("eyeRight") && x_of("mouthLeft") < x_of("mouthRight"));
    assert_eq!(x_of("nose"), 0.5);
    // 32 bits widened, as AWS's: not the shortest decimal.
    assert_eq!(face["BoundingBox"]["Left"].as_f64().unwrap(), f64::from(0.1_f32));
    assert_eq!(face["Pose"], json!({"Roll": 1.5, "Yaw": 0.0, "Pitch": -2.0}));
}

#[test]
fn absent_scalars_are_left_out_and_arrays_never() {
    let listed = written(&Response::ListFaces(operations::list_faces::Output {
        faces: vec![record()],
        next_token: None,
        model_version: "1.0".to_owned(),
    }));
    assert!(listed.get("NextToken").is_none());
    let face = listed["Faces"][0].as_object().unwrap();
    assert!(!face.contains_key("ExternalImageId") && !face.contains_key("UserId"));
    assert_eq!(face["FaceId"], FACE);
    let found = written(&Response::SearchFaces(operations::search_faces::Output {
        searched_face_id: FaceId::parse(FACE).unwrap(),
        matches: vec![],
        model_version: "1.0".to_owned(),
        expected: expected(),
    }));
    assert_eq!(found, json!({"SearchedFaceId": FACE, "FaceMatches": [], "FaceModelVersion": "1.0"}));
    let indexed = written(&Response::IndexFaces(operations::index_faces::Output {
        records: vec![],
        unindexed: vec![UnusedFace { reasons: vec![Reason::ExceedsMaxFaces], detail: detail() }],
        model_version: "1.0".to_owned(),
    }));
    assert_eq!(indexed["FaceRecords"], json!([]));
    assert_eq!(indexed["UnindexedFaces"][0]["Reasons"], json!(["EXCEEDS_MAX_FACES"]));
}

#[test]
fn similarities_stand_beside_their_faces() {
    let found = written(&Response::SearchFaces(operations::search_faces::Output {
        searched_face_id: FaceId::parse(FACE).unwrap(),
        matches: vec![FaceMatch { similarity: 99.9, face: record() }],
        model_version: "1.0".to_owned(),
        expected: expected(),
    }));
    assert_eq!(found["FaceMatches"][0]["Similarity"].as_f64().unwrap(), f64::from(99.9_f32));
    assert_eq!(found["FaceMatches"][0]["Face"]["IndexFacesModelVersion"], "1.0");
}

#[test]
fn creation_is_told_in_seconds() {
    let answer = written(&Response::DescribeCollection(operations::describe_collection::Output {
        face_count: 3,
        user_count: 1,
        model_version: "1.0".to_owned(),
        collection_arn: "arn".to_owned(),
        created_ms: 1_533_422_155_042,
    }));
    assert_eq!(answer["CreationTimestamp"].as_f64().unwrap(), 1_533_422_155.042);
    assert_eq!((&answer["FaceCount"], &answer["UserCount"]), (&json!(3), &json!(1)));
}

#[test]
fn users_carry_their_status() {
    let users = [UserStatus::Active, UserStatus::Created].map(|status| {
        let user_id = UserId::parse("u").unwrap();
        operations::types::UserSummary { user_id, status }
    });
    let answer =
        written(&Response::ListUsers(operations::list_users::Output { users: users.into(), next_token: None }));
    assert_eq!(
        answer,
        json!({"Users": [
            {"UserId": "u", "UserStatus": "ACTIVE"}, {"UserId": "u", "UserStatus": "CREATED"}
        ]})
    );
    assert!(CollectionId::parse("a b").is_none());
}
