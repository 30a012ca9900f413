//! A 32-bit word of each lane.

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
pub(super) use portable::Words;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(super) use simd128::Words;

/// In a vector of WebAssembly.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128 {
    use core::arch::wasm32::{
        i8x16_shuffle, u32x4, u32x4_add, u32x4_extract_lane, u32x4_shl, u32x4_shr, u32x4_splat, v128,
        v128_bitselect, v128_or, v128_xor,
    };

    #[derive(Clone, Copy)]
    pub(in crate::lanes) struct Words(v128);

    impl Words {
        #[inline(always)]
        pub(in crate::lanes) fn all(word: u32) -> Words {
            Words(u32x4_splat(word))
        }

        #[inline(always)]
        pub(in crate::lanes) fn of([a, b, c, d]: [u32; 4]) -> Words {
            Words(u32x4(a, b, c, d))
        }

        /// Big-endian words. WebAssembly reads little-endian ones, and a shuffle turns the bytes of all four around.
        #[inline(always)]
        pub(in crate::lanes) fn of_bytes(bytes: [[u8; 4]; 4]) -> Words {
            let Words(read) = Words::of(bytes.map(u32::from_le_bytes));
            Words(i8x16_shuffle::<3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12>(read, read))
        }

        #[inline(always)]
        pub(in crate::lanes) fn lanes(self) -> [u32; 4] {
            let Words(words) = self;
            [
                u32x4_extract_lane::<0>(words),
                u32x4_extract_lane::<1>(words),
                u32x4_extract_lane::<2>(words),
                u32x4_extract_lane::<3>(words),
            ]
        }

        #[inline(always)]
        pub(in crate::lanes) fn plus(self, other: Words) -> Words {
            Words(u32x4_add(self.0, other.0))
        }

        #[inline(always)]
        pub(in crate::lanes) fn xor(self, other: Words) -> Words {
            Words(v128_xor(self.0, other.0))
        }

        /// The bits of `one` where this has ones, those of `zero` elsewhere.
        #[inline(always)]
        pub(in crate::lanes) fn choose(self, one: Words, zero: Words) -> Words {
            Words(v128_bitselect(one.0, zero.0, self.0))
        }

        /// Rotated to the right.
        #[inline(always)]
        pub(in crate::lanes) fn rotated<const BITS: u32>(self) -> Words {
            Words(v128_or(u32x4_shr(self.0, BITS), u32x4_shl(self.0, 32 - BITS)))
        }

        /// Shifted to the right.
        #[inline(always)]
        pub(in crate::lanes) fn shifted<const BITS: u32>(self) -> Words {
            Words(u32x4_shr(self.0, BITS))
        }
    }
}

/// In an array, elsewhere.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod portable {
    #[derive(Clone, Copy)]
    pub(in crate::lanes) struct Words([u32; 4]);

    impl Words {
        #[inline(always)]
        pub(in crate::lanes) fn all(word: u32) -> Words {
            Words([word; 4])
        }

        #[inline(always)]
        pub(in crate::lanes) fn of(words: [u32; 4]) -> Words {
            Words(words)
        }

        /// Big-endian words.
        #[inline(always)]
        pub(in crate::lanes) fn of_bytes(bytes: [[u8; 4]; 4]) -> Words {
            Words(bytes.map(u32::from_be_bytes))
        }

        #[inline(always)]
        pub(in crate::lanes) fn lanes(self) -> [u32; 4] {
            self.0
        }

        #[inline(always)]
        pub(in crate::lanes) fn plus(self, other: Words) -> Words {
            self.with(other, u32::wrapping_add)
        }

        #[inline(always)]
        pub(in crate::lanes) fn xor(self, other: Words) -> Words {
            self.with(other, |a, b| a ^ b)
        }

        /// The bits of `one` where this has ones, those of `zero` elsewhere.
        #[inline(always)]
        pub(in crate::lanes) fn choose(self, one: Words, zero: Words) -> Words {
            self.with(one.xor(zero), |mask, differing| mask & differing).xor(zero)
        }

        /// Rotated to the right.
        #[inline(always)]
        pub(in crate::lanes) fn rotated<const BITS: u32>(self) -> Words {
            Words(self.0.map(|word| word.rotate_right(BITS)))
        }

        /// Shifted to the right.
        #[inline(always)]
        pub(in crate::lanes) fn shifted<const BITS: u32>(self) -> Words {
            Words(self.0.map(|word| word >> BITS))
        }

        #[inline(always)]
        fn with(self, other: Words, of: impl Fn(u32, u32) -> u32) -> Words {
            let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
            Words([of(a, e), of(b, f), of(c, g), of(d, h)])
        }
    }
}
