package editdistance

import "testing"

func TestOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "ab", 2}, {"ab", "", 2}, {"kafka", "kafka", 0}, {"kafka", "kakfa", 1}, {"topic", "topics", 1},
		{"brokers", "broker", 1}, {"job", "jib", 1}, {"abc", "xyz", 3}, {"ab", "ba", 1},
	} {
		if got := Of(c.a, c.b); got != c.want {
			t.Errorf("%q, %q: got %d, expected %d", c.a, c.b, got, c.want)
		}
	}
}
