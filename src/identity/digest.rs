//! SHA-256 as an array.

/// SHA-256 (FIPS 180-4) of `bytes`.
pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let mut array = [0; 32];
    for (place, byte) in array.iter_mut().zip(digest.as_ref()) {
        *place = *byte;
    }
    array
}
