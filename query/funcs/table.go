package funcs

import (
	"fmt"
	"strings"
)

// Table returns the functions as a Markdown table, for the manual.
func Table() string {
	var b strings.Builder
	b.WriteString("| function | result | |\n|---|---|---|\n")
	for _, f := range functions {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", strings.ReplaceAll(f.Signature(), "|", `\|`), f.ResultText(), f.Doc)
	}
	return b.String()
}
