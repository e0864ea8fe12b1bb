use super::*;

fn face(left: f32, top: f32, side: f32, tone: Tone) -> Mark {
    let at = |x: f32, y: f32| PointPx { x: left + x * side, y: top + y * side };
    Mark {
        box_ratio: BoxRatio { left, top, width: side, height: side },
        landmarks_ratio: Some(Landmarks {
            right_eye: at(0.3, 0.4),
            left_eye: at(0.7, 0.4),
            nose: at(0.5, 0.6),
            mouth_right: at(0.35, 0.75),
            mouth_left: at(0.65, 0.75),
        }),
        tone,
        title: "Ada Lovelace".to_owned(),
        value: "99.8 %".to_owned(),
    }
}

#[test]
fn only_png_is_drawn_and_the_error_says_so() {
    assert!(check_path(Path::new("a/b.PNG")).is_ok());
    for wrong in ["a.jpg", "png", "a", ""] {
        assert!(check_path(Path::new(wrong)).unwrap_err().to_string().contains(".png"), "{wrong}");
    }
}

#[test]
fn ids_become_names() {
    assert_eq!(readable_name("Ada_Lovelace_0001.jpg"), "Ada Lovelace 0001");
    assert_eq!(readable_name("Ada_Lovelace"), "Ada Lovelace");
    assert_eq!(readable_name("dr.ada"), "dr");
    assert_eq!(readable_name("v1.0"), "v1.0");
    assert_eq!(readable_name(".jpg"), ".jpg");
}

#[test]
fn tones_follow_the_threshold() {
    assert_eq!(Tone::of_similarity(79.9, 80.0), Tone::Faint);
    assert_eq!(Tone::of_similarity(80.0, 80.0), Tone::Middle);
    assert_eq!(Tone::of_similarity(99.5, 80.0), Tone::Strong);
    assert_eq!(Tone::of_similarity(99.5, 99.9), Tone::Faint);
    assert_eq!(Tone::of_confidence(95.0), Tone::Strong);
    assert_eq!(Tone::of_confidence(10.0), Tone::Weak);
}

/// The box's line has its colour, its middle is the picture's, and nothing outside the label and box changes.
#[test]
fn a_face_is_framed_and_the_rest_is_left_alone() {
    let image = Image::from_rgb(400, 300, vec![90; 400 * 300 * 3]).unwrap();
    let mut canvas = Canvas::of(&image);
    let frame = canvas.frame();
    let mark = Mark { landmarks_ratio: None, ..face(0.25, 0.4, 0.25, Tone::Strong) };
    Pen::new(400.0, 100.0).unwrap().face(&mut canvas, &frame, &mark);
    let png = canvas.to_png().unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
    let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut rgb).unwrap();
    let at = |x: usize, y: usize| &rgb[3 * (400 * y + x)..][..3];
    assert_eq!(at(150, 150), [90, 90, 90]);
    assert_eq!(at(390, 290), [90, 90, 90]);
    let Colour(r, g, b) = Tone::Strong.colour();
    let edge = at(150, 120);
    assert!(edge.iter().zip([r, g, b]).all(|(have, want)| have.abs_diff(want) < 40), "{edge:?}");
}

#[test]
fn boxes_and_landmarks_outside_the_picture_do_no_harm() {
    let mut canvas = Canvas::filled(50.0, 40.0, BACKGROUND);
    let frame = canvas.frame();
    let pen = Pen::new(50.0, 10.0).unwrap();
    for (left, top, side) in
        [(-3.0, -3.0, 1.0), (0.9, 0.9, 5.0), (f32::NAN, 0.0, 0.1), (0.5, 0.5, 0.0), (1e30, 0.0, 1e30)]
    {
        let mark = face(left, top, side, Tone::Weak);
        pen.face(&mut canvas, &frame, &mark);
        pen.labels(&mut canvas, &frame, &[mark]);
    }
    assert!(canvas.to_png().is_ok());
}

#[test]
fn long_names_are_cut_with_an_ellipsis() {
    let font = Font::new(20.0).unwrap();
    let cut = font.cut(&"very long name ".repeat(20), 200.0);
    assert!(cut.ends_with('…') && font.width(&cut) <= 201.0, "{cut}");
    assert_eq!(font.cut("short", 200.0), "short");
}
