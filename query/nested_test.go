package query

import (
	"strings"
	"testing"
	"time"
)

// The value of a CASE is compiled once, not once for each WHEN: otherwise the time is exponential in the depth.
func TestCompile_nestedCase(t *testing.T) {
	t.Parallel()
	for _, innermost := range []string{"status", "COUNT(*)"} {
		x := strings.Repeat("CASE ", 20) + innermost + strings.Repeat(" WHEN 1 THEN 1 WHEN 2 THEN 2 WHEN 3 THEN 3 ELSE 4 END", 20)
		text := "INSERT INTO t SELECT path, COUNT(*) AS n, MAX(" + x + ") AS x FROM events GROUP BY path"
		if innermost == "COUNT(*)" {
			text = "INSERT INTO t SELECT path, COUNT(*) AS n, " + x + " AS x FROM events GROUP BY path"
		}
		done := make(chan error, 1)
		go func() {
			o := DefaultOptions()
			o.Format = "combined"
			_, err := Compile(text, o)
			done <- err
		}()
		select {
		case err := <-done:
			if innermost == "status" && err != nil {
				t.Errorf("CASE of %s: got %v, expected no error", innermost, err)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("CASE of %s did not compile within 20 s, expected milliseconds", innermost)
		}
	}
}
