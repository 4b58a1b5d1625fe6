package option

import (
	"testing"
	"time"
)

func TestAge(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	cases := []struct {
		text string
		want time.Duration // -1 is an error
	}{
		{"14d", 14 * day}, {"36h", 36 * time.Hour}, {"1d12h", 36 * time.Hour}, {"0s", 0}, {"0d", 0},
		{"", -1}, {"14", -1}, {"d", -1}, {"-1d", -1}, {"1d-5h", -1}, {"1w", -1}, {"99999999d", -1},
	}
	for _, c := range cases {
		got := Age(-1)
		err := got.UnmarshalText([]byte(c.text))
		if time.Duration(got) != c.want || (err != nil) != (c.want == -1) {
			t.Errorf("%q: got %s, %v; expected %s", c.text, time.Duration(got), err, c.want)
		}
	}
}

// What etl config prints is read again as the same value.
func TestAge_printedIsReadBack(t *testing.T) {
	t.Parallel()
	for _, want := range []Age{0, Age(time.Hour), Age(36 * time.Hour), Age(14 * 24 * time.Hour)} {
		var got Age
		if err := got.UnmarshalText([]byte(want.String())); err != nil || got != want {
			t.Errorf("%s: got %s, %v", want, got, err)
		}
	}
}
