package etltest

import (
	"strings"
	"unicode/utf8"
)

// columns is the width of generated Markdown.
const columns = 118

// Item returns text as an item of a Markdown list, in lines of at most 118 columns.
func Item(text string) string {
	var b strings.Builder
	line := "-"
	for word := range strings.FieldsSeq(text) {
		if utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > columns {
			b.WriteString(line + "\n")
			line = " "
		}
		line += " " + word
	}
	b.WriteString(line + "\n")
	return b.String()
}
