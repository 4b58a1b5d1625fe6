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
		if f.Args == "" || f.Result == "" || f.Doc == "" || f.Compile == nil || f.Least < 1 || f.Most >= 0 && f.Most < f.Least {
			t.Errorf("%s: got %+v, expected arguments, a result, a line of documentation and a compiler", f.Name, f)
		}
		names = append(names, f.Name)
	}
}
