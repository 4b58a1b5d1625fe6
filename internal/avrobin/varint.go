package avrobin

// ReadLong reads Avro's zig-zag long at b[at:]. next is the offset after it, or -1 if it is incomplete or does not fit
// 64 bits.
func ReadLong(b []byte, at int) (v int64, next int) {
	if uint(at) < uint(len(b)) && b[at] < 0x80 {
		return int64(b[at]>>1) ^ -int64(b[at]&1), at + 1
	}
	return longSlow(b, at)
}

func longSlow(b []byte, at int) (v int64, next int) {
	var u uint64
	for shift := uint(0); shift < 64 && uint(at) < uint(len(b)); shift += 7 {
		c := b[at]
		at++
		u |= uint64(c&0x7f) << shift
		if c < 0x80 {
			if shift == 63 && c > 1 {
				return 0, -1
			}
			return int64(u>>1) ^ -int64(u&1), at
		}
	}
	return 0, -1
}

// ReadBytes reads a length and as many bytes, which is Avro's bytes and its string. The view's capacity ends with it.
func ReadBytes(b []byte, at int) (v []byte, next int) {
	n, at := ReadLong(b, at)
	if at < 0 || uint64(n) > uint64(len(b)-at) {
		return nil, -1
	}
	end := at + int(n)
	return b[at:end:end], end
}

// ReadOptional reads which branch of a union of null and another type follows: an Avro int, of 5 bytes at most.
func ReadOptional(b []byte, at int) (set bool, next int) {
	branch, next := ReadLong(b, at)
	if next-at > 5 || branch < 0 || branch > 1 {
		return false, -1
	}
	return branch == 1, next
}

// AppendLong appends v as Avro's zig-zag long.
func AppendLong(dst []byte, v int64) []byte {
	u := uint64(v)<<1 ^ uint64(v>>63)
	for u >= 0x80 {
		dst = append(dst, byte(u)|0x80)
		u >>= 7
	}
	return append(dst, byte(u))
}

// AppendBytes appends v as Avro's bytes.
func AppendBytes[T ~string | ~[]byte](dst []byte, v T) []byte {
	return append(AppendLong(dst, int64(len(v))), v...)
}

// ReadBlock reads the head of a block of an array or a map: the number of its items, 0 at the end of all blocks. A
// negative number is followed by the size of the block in bytes, which is ignored. least is the minimum size of an
// item: a block of more items than fit the buffer is rejected before any work is done for it.
func ReadBlock(b []byte, at, least int) (items, next int) {
	n, at := ReadLong(b, at)
	if n < 0 && at >= 0 {
		n = -n // the minimum int64 stays negative and is rejected below
		_, at = ReadLong(b, at)
	}
	if at < 0 || uint64(n) > uint64((len(b)-at)/least) {
		return 0, -1
	}
	return int(n), at
}

// SkipMap skips a map of strings or bytes at b[at:].
func SkipMap(b []byte, at int) (next int) {
	for {
		n, next := ReadBlock(b, at, 2)
		if next < 0 || n == 0 {
			return next
		}
		at = next
		for range 2 * n {
			if _, at = ReadBytes(b, at); at < 0 {
				return -1
			}
		}
	}
}
