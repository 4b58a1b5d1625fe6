package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes is a size: 1048576, 1MiB, 1MB.
type Bytes int64

var byteUnits = []struct {
	suffix string
	factor float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1},
}

// UnmarshalText parses a size.
func (b *Bytes) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	for _, u := range byteUnits {
		number, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || v < 0 || math.IsNaN(v) || v*u.factor >= math.MaxInt64 {
			break
		}
		*b = Bytes(v * u.factor)
		return nil
	}
	return fmt.Errorf("%q is not a size, must be a number of bytes, or a number with KiB, MiB, GiB, kB, MB or GB", s)
}

// String returns the size in the largest binary unit of which it is a multiple.
func (b Bytes) String() string {
	for _, u := range []struct {
		suffix string
		factor Bytes
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if b != 0 && b%u.factor == 0 {
			return strconv.FormatInt(int64(b/u.factor), 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// Percent is a share, written 50% or 0.5.
type Percent float64

// UnmarshalText parses a share.
func (p *Percent) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	number, ok := strings.CutSuffix(s, "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if ok {
		v /= 100
	}
	if err != nil || math.IsNaN(v) || v < 0 || v > 1 {
		return fmt.Errorf("%q is not a share, must be 0%% to 100%%, or 0 to 1", s)
	}
	*p = Percent(v)
	return nil
}

// String returns the share as a number from 0 to 1.
func (p Percent) String() string { return strconv.FormatFloat(float64(p), 'g', -1, 64) }
