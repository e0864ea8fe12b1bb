// People whom nobody has ever met: faces painted on a canvas, for pictures that may be shown. Runs in a page.
// Each is a list of proportions and colours; a view of one adds pose, light and place, and keeps the proportions.

const PEOPLE = {
  Aline: { skin: [233, 190, 164], hair: [70, 42, 26], style: "long", width: 0.98, jaw: 0.84, long: 1.06, eyes: 1.1, gap: 0.98, eye: [86, 62, 40], tilt: 0.1, brow: 0.85, nose: 1.08, wing: 0.8, mouth: 0.95, lips: 1.35, cloth: [31, 96, 92] },
  Basile: { skin: [214, 165, 132], hair: [38, 30, 27], style: "short", width: 1.1, jaw: 1.12, long: 0.97, eyes: 0.8, gap: 1.06, high: 4, eye: [58, 42, 30], tilt: -0.05, brow: 2, nose: 1.18, wing: 1.35, mouth: 1.14, lips: 0.7, beard: 0.85, cloth: [52, 62, 92] },
  Chidi: { skin: [112, 72, 50], hair: [22, 17, 15], style: "cropped", width: 1.04, jaw: 0.98, long: 1.02, eyes: 1, gap: 1.18, eye: [40, 26, 18], tilt: 0.02, brow: 1.2, nose: 0.9, wing: 1.75, mouth: 1.26, lips: 1.8, low: 3, cloth: [198, 142, 52] },
  Dagny: { skin: [246, 214, 196], hair: [222, 190, 128], style: "bob", width: 0.96, jaw: 0.76, long: 0.92, eyes: 1.3, gap: 0.9, high: 6, eye: [78, 118, 148], tilt: -0.03, brow: 0.55, nose: 0.7, wing: 0.75, mouth: 0.74, lips: 0.85, low: -4, cloth: [122, 58, 84] },
  Emre: { skin: [205, 156, 120], hair: [120, 118, 116], style: "receding", width: 1.05, jaw: 1.08, long: 1.04, eyes: 0.85, gap: 0.92, high: -3, eye: [70, 84, 66], tilt: -0.08, brow: 1.5, nose: 1.34, wing: 1.1, mouth: 1, lips: 0.6, low: 4, lines: 1, glasses: true, cloth: [70, 74, 70] },
  Farah: { skin: [190, 136, 100], hair: [30, 20, 18], style: "bun", width: 0.93, jaw: 0.92, long: 1.12, eyes: 0.95, gap: 1.1, high: -6, eye: [46, 30, 20], tilt: 0.16, brow: 1.5, nose: 1.24, wing: 1.15, mouth: 1.12, lips: 1.15, low: 6, cloth: [148, 50, 46] },
};

const rgb = ([r, g, b], alpha = 1) => `rgb(${r} ${g} ${b} / ${alpha})`;
const mix = (a, b, share) => a.map((value, i) => Math.round(value + (b[i] - value) * share));
const shade = (colour, by) => mix(colour, by < 0 ? [20, 8, 6] : [255, 246, 236], Math.abs(by));

function random(seed) {
  let state = Math.imul(seed + 1, 2654435761) >>> 0;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
}

// Soft paint: a shape filled through a blur.
function soft(pen, blur, colour, draw) {
  pen.save();
  pen.filter = blur ? `blur(${blur}px)` : "none";
  pen.fillStyle = pen.strokeStyle = colour;
  pen.beginPath();
  draw(pen);
  pen.restore();
}
const spot = (x, y, rx, ry, turn = 0) => (pen) => { pen.ellipse(x, y, rx, ry, turn, 0, 7); pen.fill(); };

// A head of about 200 x 270 units around the origin: eyes at y = 0, chin near 128.
function paintHead(pen, who, view) {
  const { skin, width: w, jaw } = who, yaw = view.yaw ?? 0, light = view.light ?? -1;
  const move = (x, depth) => x * (1 - 0.1 * Math.abs(yaw)) + yaw * depth; // nearer parts move more
  pen.scale(1, who.long ?? 1);
  const shadow = shade(skin, -0.45), dark = shade(skin, -0.68);

  // Neck, shoulders, clothes.
  soft(pen, 2, rgb(shade(skin, -0.28)), (p) => { p.moveTo(-44, 60); p.lineTo(-48, 170); p.lineTo(48, 170); p.lineTo(44, 60); p.fill(); });
  soft(pen, 1, rgb(who.cloth), (p) => { p.moveTo(-210, 300); p.bezierCurveTo(-190, 180, -90, 176, -52, 152); p.bezierCurveTo(-30, 196, 30, 196, 52, 152); p.bezierCurveTo(90, 176, 190, 180, 210, 300); p.lineTo(240, 700); p.lineTo(-240, 700); p.fill(); });
  soft(pen, 14, rgb(shade(who.cloth, -0.5), 0.6), (p) => { p.moveTo(-70, 178); p.quadraticCurveTo(0, 230, 70, 178); p.lineTo(60, 196); p.quadraticCurveTo(0, 250, -60, 196); p.fill(); });

  hairBehind(pen, who, yaw);
  for (const side of [-1, 1]) {
    soft(pen, 1.5, rgb(shade(skin, -0.16)), spot(side * 92 * w + yaw * -10, 18, 13, 27, side * 0.14));
    soft(pen, 3, rgb(shadow, 0.5), spot(side * 91 * w + yaw * -10, 20, 6, 15, side * 0.14));
  }

  const outline = (p) => {
    p.moveTo(-90 * w, -20);
    p.bezierCurveTo(-92 * w, -122, 92 * w, -122, 90 * w, -20);
    p.bezierCurveTo(92 * w, 40, 84 * w * jaw, 76, 62 * w * jaw, 104);
    p.bezierCurveTo(40 * jaw, 134, -40 * jaw, 134, -62 * w * jaw, 104);
    p.bezierCurveTo(-84 * w * jaw, 76, -92 * w, 40, -90 * w, -20);
  };
  soft(pen, 9, rgb(dark, 0.55), (p) => { p.ellipse(0, 118, 62 * jaw, 24, 0, 0, 7); p.fill(); });
  const glow = pen.createRadialGradient(light * 34 + yaw * 20, -30, 20, yaw * 10, 10, 150);
  glow.addColorStop(0, rgb(shade(skin, 0.24)));
  glow.addColorStop(0.5, rgb(skin));
  glow.addColorStop(1, rgb(shade(skin, -0.42)));
  soft(pen, 1.2, glow, (p) => { outline(p); p.fill(); });

  pen.save();
  pen.beginPath();
  outline(pen);
  pen.clip();
  soft(pen, 22, rgb(shadow, 0.5), spot(-light * 92, 30, 34, 120)); // the side away from the light
  soft(pen, 16, rgb(shade(mix(skin, [205, 92, 84], 0.4), 0.05), 0.42), spot(move(-50, 12), 48, 24, 17));
  soft(pen, 16, rgb(shade(mix(skin, [205, 92, 84], 0.4), 0.05), 0.42), spot(move(50, 12), 48, 24, 17));
  soft(pen, 14, rgb(shade(skin, 0.4), 0.55), spot(move(light * 12, 16), -62, 44, 22));
  soft(pen, 10, rgb(shade(skin, 0.35), 0.4), spot(move(0, 20), 112, 19, 9));
  for (const side of [-1, 1]) soft(pen, 10, rgb(shadow, 0.6), spot(move(side * 39 * who.gap, 16), -3, 26, 15)); // sockets
  if (who.beard) beard(pen, who, move, outline);
  if (who.lines) lines(pen, move, dark);
  nose(pen, who, move, light, shadow, dark);
  mouth(pen, who, move, dark, view.smile ?? 0);
  for (const side of [-1, 1]) eye(pen, who, side, move, yaw, dark, view.gaze ?? 0);
  pen.restore();
  hairBefore(pen, who, yaw);
  if (who.glasses) glasses(pen, who, move);
}

function eye(pen, who, side, move, yaw, dark, gaze) {
  pen.save();
  pen.translate(move(side * 39 * who.gap, 17), who.high ?? 0);
  pen.scale((1 - 0.16 * Math.max(0, side * yaw)) * side, 1);
  pen.rotate(-who.tilt);
  const [a, b] = [19, 8.6 * who.eyes];
  const almond = (p) => { p.moveTo(-a, 2); p.bezierCurveTo(-a * 0.5, -b * 1.35, a * 0.45, -b * 1.3, a, 0); p.bezierCurveTo(a * 0.5, b * 0.95, -a * 0.5, b, -a, 2); };
  soft(pen, 0.6, "rgb(238 234 230)", (p) => { almond(p); p.fill(); });
  pen.save();
  pen.beginPath();
  almond(pen);
  pen.clip();
  const x = gaze * 4 * side;
  soft(pen, 0.5, rgb(shade(who.eye, -0.4)), spot(x, -1, 8.6, 8.6));
  soft(pen, 0.8, rgb(shade(who.eye, 0.18)), spot(x, 0.4, 6.6, 6.8));
  soft(pen, 0.3, "rgb(10 8 8)", spot(x, -0.8, 3.8, 3.8));
  soft(pen, 2.4, rgb([30, 18, 14], 0.5), (p) => { p.rect(-a, -12, 2 * a, 8); p.fill(); });
  soft(pen, 0.3, "rgb(255 255 255 / 0.95)", spot(x - 3 * side, -3.6, 1.8, 1.6));
  pen.restore();
  pen.lineCap = "round";
  soft(pen, 0.5, rgb(shade(dark, -0.55), 0.95), (p) => { p.lineWidth = 3; p.moveTo(-a, 2); p.bezierCurveTo(-a * 0.5, -b * 1.35, a * 0.45, -b * 1.3, a + 1.5, -0.6); p.stroke(); });
  soft(pen, 0.8, rgb(dark, 0.5), (p) => { p.lineWidth = 1.4; p.moveTo(-a + 3, 4); p.quadraticCurveTo(0, b * 1.1, a - 1, 1); p.stroke(); });
  soft(pen, 1.4, rgb(dark, 0.55), (p) => { p.lineWidth = 2; p.moveTo(-a - 1, -5); p.bezierCurveTo(-a * 0.5, -b * 2.1, a * 0.5, -b * 2, a + 1, -6); p.stroke(); });
  const thick = 5.4 * who.brow;
  soft(pen, 1.3, rgb(shade(who.hair, who.style === "receding" ? -0.2 : -0.15), 0.86), (p) => { p.moveTo(-a - 3, -20); p.bezierCurveTo(-a * 0.3, -28 - thick / 2, a * 0.6, -29 - thick / 2, a + 9, -19); p.bezierCurveTo(a * 0.6, -25 + thick / 3, -a * 0.3, -23 + thick / 2, -a - 3, -18 + thick / 2); p.fill(); });
  pen.restore();
}

function nose(pen, who, move, light, shadow, dark) {
  const tip = 48 * who.nose, wing = 17 * who.wing;
  soft(pen, 6, rgb(shade(who.skin, 0.5), 0.55), (p) => { p.moveTo(move(-3, 20), -8); p.lineTo(move(-6, 34), tip - 6); p.lineTo(move(6, 34), tip - 6); p.lineTo(move(3, 20), -8); p.fill(); });
  soft(pen, 7, rgb(shadow, 0.75), (p) => { p.moveTo(move(-light * 8, 20), -10); p.quadraticCurveTo(move(-light * 15, 30), tip * 0.5, move(-light * (wing + 3), 34), tip); p.lineTo(move(-light * 6, 34), tip); p.fill(); });
  soft(pen, 4, rgb(shade(who.skin, 0.6), 0.6), spot(move(light * 2, 38), tip - 7, 6, 5));
  soft(pen, 4, rgb(shadow, 0.8), spot(move(0, 34), tip + 8, wing + 4, 5));
  for (const side of [-1, 1]) {
    soft(pen, 1.5, rgb(shade(dark, -0.4), 0.85), spot(move(side * wing * 0.52, 36), tip + 3, 5 * who.wing, 2.6, side * -0.3));
    soft(pen, 1.6, rgb(dark, 0.7), (p) => { p.lineWidth = 2; p.arc(move(side * (wing - 3), 34), tip - 2, 6.5, side > 0 ? -0.7 : Math.PI - 1.5, side > 0 ? 1.5 : Math.PI + 0.7); p.stroke(); });
  }
}

function mouth(pen, who, move, dark, smile) {
  const y = 80 + 22 * (who.nose - 1) + (who.low ?? 0), half = 31 * who.mouth * (1 + 0.12 * smile), lift = 7 * smile, full = 9 * who.lips;
  const x = (value) => move(value, 27);
  const lip = mix(who.skin, [168, 62, 66], 0.58);
  soft(pen, 7, rgb(shade(who.skin, -0.4), 0.6), spot(x(0), y + full + 9, half * 0.6, 6));
  soft(pen, 1, rgb(shade(lip, -0.22)), (p) => { p.moveTo(x(-half), y - lift); p.bezierCurveTo(x(-half * 0.5), y - full * 0.8, x(-8), y - full * 1.15, x(0), y - full * 0.7); p.bezierCurveTo(x(8), y - full * 1.15, x(half * 0.5), y - full * 0.8, x(half), y - lift); p.quadraticCurveTo(x(0), y + 4 + lift * 0.4, x(-half), y - lift); p.fill(); });
  soft(pen, 1, rgb(lip), (p) => { p.moveTo(x(-half), y - lift); p.quadraticCurveTo(x(0), y + 3 + lift * 0.4, x(half), y - lift); p.bezierCurveTo(x(half * 0.55), y + full * 1.5, x(-half * 0.55), y + full * 1.5, x(-half), y - lift); p.fill(); });
  soft(pen, 3, rgb(shade(lip, 0.55), 0.6), spot(x(-4), y + full * 0.62, half * 0.34, full * 0.22));
  soft(pen, 0.7, rgb(shade(dark, -0.3), 0.9), (p) => { p.lineWidth = 2; p.moveTo(x(-half - 1), y - lift); p.quadraticCurveTo(x(0), y + 3 + lift * 0.4, x(half + 1), y - lift); p.stroke(); });
  for (const side of [-1, 1]) soft(pen, 3, rgb(dark, 0.5), spot(x(side * (half + 3)), y - lift, 3, 4));
}

function beard(pen, who, move) {
  soft(pen, 9, rgb(shade(who.hair, 0.05), who.beard), (p) => { p.moveTo(-92, 40); p.quadraticCurveTo(-70, 74, move(-40, 20), 66); p.quadraticCurveTo(move(0, 24), 58, move(40, 20), 66); p.quadraticCurveTo(70, 74, 92, 40); p.lineTo(80, 140); p.lineTo(-80, 140); p.fill(); });
  soft(pen, 5, rgb(who.skin, 0.6), spot(move(0, 26), 96, 14, 6));
}

function lines(pen, move, dark) {
  for (const y of [-66, -54]) soft(pen, 1.6, rgb(dark, 0.35), (p) => { p.lineWidth = 1.6; p.moveTo(move(-40, 14), y); p.quadraticCurveTo(move(0, 18), y - 6, move(40, 14), y); p.stroke(); });
  for (const side of [-1, 1]) {
    soft(pen, 2.2, rgb(dark, 0.5), (p) => { p.lineWidth = 2.4; p.moveTo(move(side * 24, 28), 52); p.quadraticCurveTo(move(side * 42, 24), 70, move(side * 40, 24), 92); p.stroke(); });
    soft(pen, 1.6, rgb(dark, 0.4), (p) => { p.lineWidth = 1.4; p.moveTo(move(side * 24, 18), 16); p.quadraticCurveTo(move(side * 40, 17), 24, move(side * 54, 15), 15); p.stroke(); });
  }
}

function glasses(pen, who, move) {
  for (const side of [-1, 1]) soft(pen, 0.4, "rgb(36 36 40 / 0.92)", (p) => { p.lineWidth = 4; p.ellipse(move(side * 40 * who.gap, 20), 3, 29, 23, 0, 0, 7); p.stroke(); p.beginPath(); p.moveTo(move(side * 68, 12), -2); p.lineTo(side * 93, -6); p.stroke(); });
  soft(pen, 0.4, "rgb(36 36 40 / 0.92)", (p) => { p.lineWidth = 4; p.moveTo(move(-12, 22), 0); p.quadraticCurveTo(move(0, 24), -6, move(12, 22), 0); p.stroke(); });
}

function strands(pen, colour, seed, count, from, to, bend) {
  const roll = random(seed);
  for (let i = 0; i < count; i++) {
    const share = i / (count - 1), [a, b] = [from(share), to(share)];
    soft(pen, 0.6, rgb(shade(colour, (roll() - 0.42) * 0.42), 0.6), (p) => { p.lineWidth = 1 + 2 * roll(); p.moveTo(...a); p.quadraticCurveTo((a[0] + b[0]) / 2 + bend * (roll() - 0.2), (a[1] + b[1]) / 2 - 8 * roll(), b[0] + 5 * (roll() - 0.5), b[1] + 8 * (roll() - 0.5)); p.stroke(); });
  }
}

function hairBehind(pen, who, yaw) {
  const { hair, style } = who, shift = yaw * -8;
  const back = (bottom, out) => soft(pen, 2.5, rgb(shade(hair, -0.25)), (p) => { p.moveTo(shift - 96, -40); p.bezierCurveTo(shift - 118, -162, shift + 118, -162, shift + 98, -40); p.bezierCurveTo(shift + out, 40, shift + out - 8, bottom - 40, shift + out - 26, bottom); p.lineTo(shift - out + 26, bottom); p.bezierCurveTo(shift - out + 8, bottom - 40, shift - out, 40, shift - 96, -40); p.fill(); });
  if (style === "long") { back(214, 122); strands(pen, hair, 5, 60, (s) => [shift - 100 + 200 * s, -30], (s) => [shift - 112 + 224 * s, 200], 8); }
  if (style === "bob") { back(104, 128); strands(pen, hair, 6, 60, (s) => [shift - 104 + 208 * s, -30], (s) => [shift - 112 + 224 * s, 98], 10); }
  if (style === "bun") { soft(pen, 3, rgb(shade(hair, -0.15)), spot(shift, -152, 44, 36)); back(20, 104); }
  if (style === "short" || style === "cropped" || style === "receding") soft(pen, 2.5, rgb(shade(hair, -0.2), style === "cropped" ? 0.96 : 1), spot(shift, -44, 102 * who.width, 84));
}

function hairBefore(pen, who, yaw) {
  const { hair, style, width: w } = who, shift = yaw * 6;
  const cap = (left, middle, right, colour = rgb(hair)) => soft(pen, 1.6, colour, (p) => { p.moveTo(-99 * w, 6); p.bezierCurveTo(-118 * w, -156, 118 * w, -156, 99 * w, 6); p.bezierCurveTo(88 * w, -34, 84 * w, -56, shift + 60, right); p.quadraticCurveTo(shift + 10, middle - 8, shift - 34, middle); p.bezierCurveTo(shift - 74, left, -86 * w, -44, -99 * w, 6); p.fill(); });
  if (style === "long" || style === "bun") { cap(-62, -96, -70); strands(pen, hair, 8, 46, () => [shift + 14, -118], (s) => s < 0.5 ? [-98 * w + 30 * s, -18 - 60 * s] : [98 * w - 30 * (1 - s), -18 - 60 * (1 - s)], 26); }
  if (style === "bob") { cap(-48, -60, -46); strands(pen, hair, 9, 52, (s) => [shift - 50 + 100 * s, -122], (s) => [-92 * w + 184 * w * s, -50 - 18 * Math.sin(3.1 * s)], 14); }
  if (style === "short") { cap(-66, -84, -80); strands(pen, hair, 10, 60, (s) => [-88 * w + 176 * w * s, -60 - 62 * Math.sin(3.1 * s)], (s) => [-80 * w + 164 * w * s, -72 - 34 * Math.sin(3.1 * s)], 10); }
  if (style === "cropped") { cap(-70, -92, -86, rgb(hair, 0.94)); const roll = random(11); for (let i = 0; i < 260; i++) { const s = roll(), up = roll(); soft(pen, 0.6, rgb(shade(hair, 0.1 + 0.16 * roll()), 0.7), spot(-84 * w + 168 * w * s, -84 - 38 * Math.sin(3.1 * s) * up, 2.2, 2)); } }
  if (style === "receding") for (const side of [-1, 1]) soft(pen, 3, rgb(shade(hair, 0.1)), (p) => { p.moveTo(side * 98 * w, 16); p.quadraticCurveTo(side * 106 * w, -66, side * 66 * w, -98); p.quadraticCurveTo(side * 84 * w, -60, side * 86 * w, -10); p.fill(); });
}

// A room behind people: soft shapes of one mood.
function backdrop(pen, width, height, seed) {
  const roll = random(seed), hue = Math.floor(360 * roll());
  const sky = pen.createLinearGradient(0, 0, width, height);
  sky.addColorStop(0, `hsl(${hue} 24% 78%)`);
  sky.addColorStop(1, `hsl(${(hue + 50) % 360} 26% 52%)`);
  pen.fillStyle = sky;
  pen.fillRect(0, 0, width, height);
  for (let i = 0; i < 12; i++) soft(pen, 26, `hsl(${(hue + 90 * roll()) % 360} 30% ${40 + 45 * roll()}% / 0.5)`, spot(width * roll(), height * roll(), 30 + 110 * roll(), 30 + 110 * roll()));
}

// Grain, so that a picture has what a camera's has.
function grain(pen, width, height, seed) {
  const roll = random(seed), pixels = pen.getImageData(0, 0, width, height);
  for (let i = 0; i < pixels.data.length; i += 4) {
    const by = 13 * (roll() + roll() - 1);
    for (let c = 0; c < 3; c++) pixels.data[i + c] += by;
  }
  pen.putImageData(pixels, 0, 0);
}

// views: [{who, x, y, size, yaw, roll, light, smile}]; answers a JPEG data address.
globalThis.photograph = (views, { width = 640, height = 640, seed = 1 } = {}) => {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  backdrop(pen, width, height, seed);
  for (const view of views) {
    pen.save();
    pen.translate((view.x ?? 0.5) * width, (view.y ?? 0.46) * height);
    pen.rotate((view.roll ?? 0) * Math.PI / 180);
    pen.scale((view.size ?? 1) * width / 640, (view.size ?? 1) * width / 640);
    paintHead(pen, PEOPLE[view.who], view);
    pen.restore();
  }
  grain(pen, width, height, seed + 7);
  return canvas.toDataURL("image/jpeg", 0.92);
};
globalThis.drawnPeople = Object.keys(PEOPLE);
