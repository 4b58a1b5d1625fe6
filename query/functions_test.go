package query

import (
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/query/funcs"
)

// The error for a call with wrong arguments shows the function's signature and an example, and the example is valid.
func TestFunctions_examplesCompile(t *testing.T) {
	t.Parallel()
	o := DefaultOptions()
	o.Format = "combined"
	for _, f := range funcs.Library().Functions {
		args := ""
		if !f.Variadic {
			args = strings.Repeat("host, ", len(f.Params)) + "host"
		}
		wrong := "INSERT INTO t SELECT " + f.Name + "(" + args + ") AS x FROM events"
		want := "; expected " + f.Signature() + ", such as " + f.Call()
		if _, err := Compile(wrong, o); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s\n  got       %v\n  expected  an error that ends in %q", wrong, err, want)
		}
		right := "INSERT INTO t SELECT " + f.Call() + " AS x FROM events"
		if _, err := Compile(right, o); err != nil {
			t.Errorf("%s\n  got       %v\n  expected  that the example of %s is valid", right, err, f.Name)
		}
	}
}
