package funcs

import (
	"fmt"
	"strings"
)

// Table is the functions as a table in Markdown, for the manual.
func Table() string {
	var b strings.Builder
	b.WriteString("| function | result | |\n|---|---|---|\n")
	for _, f := range functions {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", strings.ReplaceAll(f.Signature(), "|", `\|`), f.ResultText(), f.Doc)
	}
	return b.String()
}
