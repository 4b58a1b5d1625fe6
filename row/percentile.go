package row

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
)

// A Histogram column holds how many values of a group were in each of many buckets, from which percentiles are read.
// Buckets are those of DDSketch (Masson et al., 2019) in its logarithmic-linear form: each power of two is divided into 64
// buckets of one width. So a bucket is at most 1/64 of its values wide, and its middle is within 1/128 = 0.79 % of each.
// The bucket of a value is the upper bits of the value as a binary64, so no logarithm rounds in other ways on other
// machines.
//
// Counts are added as integers: joining is commutative and associative. It is not idempotent, so a batch must be counted
// exactly once, as a sum must. The state is a version and then, for each bucket in ascending order, its distance from the
// one before (from 0 for the first, as a signed varint) and its count, as varints. The values alone determine these
// bytes.

// Histogram is the merge of the counts of buckets. It folds buckets, as BucketOf returns them, in Value.Lo.
var Histogram Merge = histogramMerge{}

// bucketShift is how many bits of a binary64 do not matter for its bucket: all of the fraction but 6.
const bucketShift = 52 - 6

// maxBuckets is how many buckets the numbers from 10^-30 to 10^38 have, of both signs, and 0.
const maxBuckets = 2*64*(100+128) + 1

// BucketOf returns the bucket of a number, which is finite and not denormal: 0 for 0, and in the order of the numbers for
// others.
func BucketOf(f float64) int32 {
	if f == 0 {
		return 0
	}
	b := int32(math.Float64bits(math.Abs(f))>>bucketShift) + 1
	if f < 0 {
		return -b
	}
	return b
}

// middle returns the number that stands for those of a bucket.
func middle(bucket int32) float64 {
	switch {
	case bucket == 0:
		return 0
	case bucket < 0:
		return -middle(-bucket)
	}
	return math.Float64frombits(uint64(bucket-1)<<bucketShift | 1<<(bucketShift-1))
}

type histogramMerge struct{}

const histogramVersion = 1

func (histogramMerge) String() string { return "histogram" }
func (histogramMerge) Traits() Traits { return Traits{Total: true} }
func (histogramMerge) MaxBytes() int  { return 1 + maxBuckets*(3+binary.MaxVarintLen64) }

func (histogramMerge) Fold(rows *Rows, to *Cell, _ Kind, v Value) {
	if !v.Set {
		return
	}
	var key [4]byte
	binary.BigEndian.PutUint32(key[:], uint32(int32(v.Lo))^1<<31) // keys are in the order of buckets
	*rows.Element(to, key[:])++
}

func (histogramMerge) AppendState(dst []byte, rows *Rows, c *Cell) []byte {
	dst = append(dst, histogramVersion)
	before, first := int32(0), true
	for key, n := range rows.Elements(c) {
		bucket := int32(binary.BigEndian.Uint32(key) ^ 1<<31)
		dst = appendBucket(dst, before, bucket, n, first)
		before, first = bucket, false
	}
	return dst
}

func appendBucket(dst []byte, before, bucket int32, n uint64, first bool) []byte {
	if first {
		dst = binary.AppendVarint(dst, int64(bucket))
	} else {
		dst = binary.AppendUvarint(dst, uint64(bucket-before))
	}
	return binary.AppendUvarint(dst, n)
}

// bucketReader reads the buckets of a state.
type bucketReader struct {
	rest   []byte
	begun  bool
	bucket int32
	n      uint64 // of the current bucket; 0 after the last one
	broken bool
}

// next goes to the next bucket.
func (r *bucketReader) next() {
	if r.n = 0; len(r.rest) == 0 || r.broken {
		return
	}
	at, size := int64(0), 0
	if !r.begun {
		at, size = binary.Varint(r.rest)
	} else {
		var distance uint64
		distance, size = binary.Uvarint(r.rest)
		at = int64(r.bucket) + int64(min(distance, 1<<32))
		r.broken = distance == 0
	}
	if r.broken = r.broken || size <= 0 || at > 1<<18 || at < -1<<18; r.broken {
		return
	}
	n, length := binary.Uvarint(r.rest[size:])
	if r.broken = length <= 0 || n == 0 || n > math.MaxInt64; r.broken {
		return
	}
	r.begun, r.bucket, r.n, r.rest = true, int32(at), n, r.rest[size+length:]
}

var errHistogram = errors.New("the state column does not hold a histogram")

func (histogramMerge) Join(dst, stored, added []byte) (state []byte, replaces bool, err error) {
	switch {
	case stored == nil:
		return append(dst, added...), false, nil
	case len(stored) == 0:
		return dst, false, errNoState
	case stored[0] != histogramVersion:
		return dst, false, errHistogram
	}
	a, b := bucketReader{rest: stored[1:]}, bucketReader{rest: added[1:]}
	a.next()
	b.next()
	dst = append(dst, histogramVersion)
	before, first := int32(0), true
	for a.n > 0 || b.n > 0 {
		var bucket int32
		var n uint64
		fromA := a.n > 0 && (b.n == 0 || a.bucket <= b.bucket)
		fromB := b.n > 0 && (a.n == 0 || b.bucket <= a.bucket)
		if fromA {
			bucket, n = a.bucket, a.n
		}
		if fromB {
			bucket = b.bucket
			n += b.n
		}
		dst = appendBucket(dst, before, bucket, n, first)
		before, first = bucket, false
		if fromA {
			a.next()
		}
		if fromB {
			b.next()
		}
	}
	if a.broken {
		return dst, false, errHistogram
	}
	return dst, false, nil
}

// MaxPercentileDigits is the maximum number of digits after the point of the share that a percentile has.
const MaxPercentileDigits = 9

// Percentile returns the merge of a column that shows a percentile of a Histogram: the middle of the bucket of the
// smallest value that a share of all values does not exceed. The share is 0 to 1, with so many digits after the point.
// The column is a DOUBLE, NULL if there is no value.
func Percentile(share int64, digits int) Merge { return percentileMerge{uint64(share), digits} }

type percentileMerge struct {
	share  uint64
	digits int
}

func (m percentileMerge) String() string {
	return "percentile " + string(FromInt(int64(m.share)).AppendText(nil, m.digits))
}
func (percentileMerge) Traits() Traits                 { return Traits{Total: true} }
func (percentileMerge) Fold(*Rows, *Cell, Kind, Value) {}

func (m percentileMerge) Value(state []byte) Value {
	total := uint64(0)
	r := bucketReader{rest: state[1:]}
	for r.next(); r.n > 0; r.next() {
		total += r.n
	}
	hi, lo := bits.Mul64(total, m.share)
	rank, rest := bits.Div64(hi, lo, pow10[m.digits].Lo)
	if rest > 0 {
		rank++
	}
	rank = max(rank, 1)
	r = bucketReader{rest: state[1:]}
	for r.next(); r.n > 0; r.next() {
		if r.n >= rank {
			return Value{Number: Number{Lo: math.Float64bits(middle(r.bucket))}, Set: true}
		}
		rank -= r.n
	}
	return Value{}
}
