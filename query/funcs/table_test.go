package funcs

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("rewrite", false, "write the table of functions into docs/query.md")

const (
	manual = "../../docs/query.md"
	begin  = "<!-- The table of functions is generated: go test ./query/funcs -rewrite -->\n\n"
	end    = "\n<!-- End of the table of functions. -->\n"
)

// The manual has every function of the registry.
func TestTable_isDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	table, after, ended := strings.Cut(rest, end)
	if !ok || !ended {
		t.Fatalf("%s must have the lines %q and %q around the table", manual, begin, end)
	}
	if *rewrite {
		if err := os.WriteFile(manual, []byte(before+begin+Table()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(Table(), table); diff != "" {
		t.Errorf("%s (-registry +manual); go test ./query/funcs -rewrite writes it:\n%s", manual, diff)
	}
	for line := range strings.Lines(Table()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 120 {
			t.Errorf("a line has %d columns, but must have at most 120: %s", n, line)
		}
	}
}

// Every function is described, and names are in lower case and unique.
func TestFunctions_areDescribed(t *testing.T) {
	t.Parallel()
	var names []string
	for _, f := range functions {
		if f.Name != strings.ToLower(f.Name) || slices.Contains(names, f.Name) || instead[f.Name] != "" {
			t.Errorf("%s: the name must be in lower case, unique, and without advice", f.Name)
		}
		if len(f.Params) == 0 || f.Example == "" || f.Doc == "" {
			t.Errorf("%s: got %+v, expected parameters, an example and a line of documentation", f.Name, f)
		}
		arity := len(f.Params)
		if f.Variadic {
			arity = -1
		}
		ways := []bool{f.Compile != nil, f.Eval1 != nil && arity == 1, f.Eval2 != nil && arity == 2, f.Eval3 != nil && arity == 3}
		set := []bool{f.Compile != nil, f.Eval1 != nil, f.Eval2 != nil, f.Eval3 != nil}
		if n := count(ways); n != 1 || count(set) != 1 {
			t.Errorf("%s: got %d ways to compute it for %d parameters, expected one: Compile, or the Eval of as many values", f.Name, n, arity)
		}
		names = append(names, f.Name)
	}
}

func count(bs []bool) (n int) {
	for _, b := range bs {
		if b {
			n++
		}
	}
	return n
}
