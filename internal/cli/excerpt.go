package cli

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sluice-etl/sluice/internal/grid"
	"github.com/sluice-etl/sluice/internal/quote"
	"github.com/sluice-etl/sluice/query"
)

// How much of a line is shown in front of a place, and from its beginning, in characters.
const (
	shownBefore = 40
	shownFrom   = 60
)

// withExcerpt returns the error of a query with the line that has it, and carets below the place, if it is known. name
// is that of the file or option with the text.
func withExcerpt(name, text string, err error) error {
	from, to, ok := query.Place(err)
	if !ok {
		return err
	}
	start := strings.LastIndexByte(text[:from], '\n') + 1
	line, _, _ := strings.Cut(text[start:], "\n")
	line = strings.TrimRight(line, "\r")
	before, place := line[:from-start], line[from-start:min(max(to-start, from-start), len(line))]
	after := line[len(before)+len(place):]
	number, column := 1+strings.Count(text[:start], "\n"), 1+utf8.RuneCountInString(before)

	if n := utf8.RuneCountInString(before); n > shownBefore+1 {
		before = "…" + string([]rune(before)[n-shownBefore:])
	}
	if runes := []rune(place + after); len(runes) > shownFrom+1 {
		cut := string(runes[:shownFrom])
		place = cut[:min(len(place), len(cut))]
		after = cut[len(place):] + "…"
	}
	before, place, after = oneLine(before), oneLine(place), oneLine(after)
	return fmt.Errorf("%w\n%s, line %d, column %d:\n    %s\n    %s%s", err, name, number, column, before+place+after,
		strings.Repeat(" ", grid.Width(before)), strings.Repeat("^", max(1, grid.Width(place))))
}

// oneLine returns the printable form of a part of a line, which is shown above the carets.
func oneLine(text string) string { return quote.Text(strings.ReplaceAll(text, "\t", " ")) }
