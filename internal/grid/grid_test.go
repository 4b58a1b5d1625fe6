package grid

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWrite(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		layout Layout
		rows   [][]string
		want   string
	}{
		"to the right": {
			Layout{Columns: Right("status", "hits"), Indent: "  ", Rule: true},
			[][]string{{"200", "12345"}, {"404", "7"}},
			"  status   hits\n  ──────  ─────\n     200  12345\n     404      7\n",
		},
		"to both sides": {
			Layout{Columns: []Column{{Name: "word"}, {Name: "n", Right: true}, {Name: "last"}}},
			[][]string{{"a", "12", "x"}, {"abcdef", "3", ""}, {"", "4", "long text"}},
			"word     n  last\na       12  x\nabcdef   3\n         4  long text\n",
		},
		"by display width": {
			Layout{Columns: []Column{{Name: "word"}, {Name: "n", Right: true}}},
			[][]string{{"größe", "1"}, {"日本", "2"}, {"e\u0301a", "3"}, {"\uff21", "4"}},
			"word   n\ngröße  1\n日本   2\ne\u0301a     3\n\uff21     4\n",
		},
		"cut": {
			Layout{Columns: []Column{{Name: "word"}, {Name: "n", Right: true}}, MaxWidth: 5},
			[][]string{{"abcde", "1"}, {"abcdef", "2"}, {"日本日", "3"}},
			"word   n\nabcde  1\nabcd…  2\n日本…  3\n",
		},
		"unsafe": {
			Layout{Columns: []Column{{Name: "a\tb"}, {Name: "n", Right: true}}},
			[][]string{{"\x1b[2J\n\u202e", "1"}},
			"a\\tb             n\n\\x1b[2J\\n\\u202e  1\n",
		},
		"no rows": {Layout{Columns: Right("a", "b")}, nil, "a  b\n"},
	} {
		var b strings.Builder
		if err := c.layout.Write(&b, c.rows); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.want, b.String()); diff != "" {
			t.Errorf("%s (-expected +got):\n%s", name, diff)
		}
	}
}

type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }

func TestWrite_error(t *testing.T) {
	t.Parallel()
	full := errors.New("disk full")
	if err := (Layout{Columns: Right("a")}).Write(broken{full}, nil); !errors.Is(err, full) {
		t.Errorf("got %v, expected %v", err, full)
	}
}
