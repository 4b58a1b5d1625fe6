package sqltext

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sluice-etl/sluice/checkpoint"
)

// Conditions quote the job and the topic, and name each partition.
func TestConditions(t *testing.T) {
	t.Parallel()
	const where = ` WHERE job = 'it\'s' AND topic = 'a\\b'`
	ids := []int32{3, 0, 2147483647}
	for got, want := range map[string]string{
		string(AppendTopic(nil, "it's", `a\b`)):                                                             where,
		string(AppendPartition([]byte("x"), "it's", checkpoint.Partition{Topic: `a\b`, ID: 7})):             "x" + where + " AND partition_id = 7",
		string(AppendPartitions([]byte("x"), "it's", `a\b`, len(ids), func(i int) int32 { return ids[i] })): "x" + where + " AND partition_id IN (3,0,2147483647)",
	} {
		if got != want {
			t.Errorf("got %s, expected %s", got, want)
		}
	}
}

// A text is cut between characters, and is valid UTF-8 afterwards.
func TestCut(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text string
		n    int
		want string
	}{
		{"", 0, ""}, {"", 5, ""}, {"abc", 0, ""}, {"abc", 2, "ab"}, {"abc", 3, "abc"}, {"abc", 4, "abc"},
		{"\u00e4\u4e16\U0001f600x", 3, "\u00e4\u4e16\U0001f600"}, {"\u00e4\u4e16\U0001f600x", 2, "\u00e4\u4e16"},
		{"a\xffb", 3, "a\uFFFDb"}, {"a\xff\xfeb", 2, "a\uFFFD"}, {"\xe4\xb8", 9, "\uFFFD"},
		{strings.Repeat("\u4e16", 5000), 1024, strings.Repeat("\u4e16", 1024)},
	} {
		if got := Cut(test.text, test.n); got != test.want || !utf8.ValidString(got) {
			t.Errorf("%.20q cut to %d: got %.20q, expected %.20q", test.text, test.n, got, test.want)
		}
	}
}
