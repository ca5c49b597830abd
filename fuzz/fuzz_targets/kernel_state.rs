#![no_main]

use stockade_sentry::fuzz;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::kernel_state(data));

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    // Changed values keep the shape that changed bytes lose.
    let forged = data.get(..size).filter(|_| seed % 8 != 0).and_then(|state| fuzz::forge(state, seed.into(), &[]));
    if let Some(forged) = forged
        && forged.len() <= max_size
        && let Some(place) = data.get_mut(..forged.len())
    {
        place.copy_from_slice(&forged);
        return forged.len();
    }
    libfuzzer_sys::fuzzer_mutate(data, size, max_size)
});
