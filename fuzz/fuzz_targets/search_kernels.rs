#![no_main]
//! Products of any codes with any probe: every path of this processor gives those of the plain one, and reads no byte
//! beside them.

use libfuzzer_sys::fuzz_target;
use trombi::gallery::Path;

const GROUP: usize = 64;

fuzz_target!(|bytes: &[u8]| {
    let Some((groups, bytes)) = bytes.split_first() else { return };
    let length = GROUP * (1 + usize::from(groups % 9));
    let Some((probe, codes)) = bytes.split_at_checked(length) else { return };
    let probe: Vec<i8> = probe.iter().map(|byte| byte.cast_signed().max(-i8::MAX)).collect();
    // No longer than what is read, so that reading beyond is noticed.
    let codes = codes[..codes.len() - codes.len() % (length / 4)].to_vec();
    let plain = Path::Portable.products(&codes, &probe).expect("whole groups");
    for path in Path::available() {
        assert_eq!(path.products(&codes, &probe).as_ref(), Some(&plain), "{path:?}");
    }
});
