// Package grid writes rows of text in columns that are aligned on a terminal.
package grid

import (
	"bufio"
	"io"
	"strings"
	"unicode"

	"golang.org/x/text/width"

	"github.com/sluice-etl/sluice/internal/quote"
)

// Layout is how a grid looks. The columns are two spaces apart.
type Layout struct {
	Columns []Column
	// Indent is written at the beginning of each line.
	Indent string
	// MaxWidth cuts longer cells, which then end in "…"; 0 means no limit.
	MaxWidth int
	// Rule underlines the names of the columns.
	Rule bool
}

// Column is a column of a grid.
type Column struct {
	Name  string
	Right bool // cells are aligned to the right, as numbers are
}

// Right returns columns of these names that are aligned to the right.
func Right(names ...string) []Column {
	all := make([]Column, len(names))
	for i, name := range names {
		all[i] = Column{Name: name, Right: true}
	}
	return all
}

// Write writes the names of the columns and then the rows, each of which has a cell for every column. Characters that
// are unsafe to show are written as escapes (quote.Text). Lines do not end in spaces.
func (l Layout) Write(w io.Writer, rows [][]string) error {
	lines := make([][]string, 0, len(rows)+2)
	names := make([]string, len(l.Columns))
	for i, c := range l.Columns {
		names[i] = c.Name
	}
	lines = append(lines, l.cells(names))
	for _, row := range rows {
		lines = append(lines, l.cells(row))
	}
	widths := make([]int, len(l.Columns))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], Width(cell))
		}
	}
	out := bufio.NewWriter(w)
	for n, line := range lines {
		l.write(out, widths, line)
		if l.Rule && n == 0 {
			rule := make([]string, len(widths))
			for i, n := range widths {
				rule[i] = strings.Repeat("─", n)
			}
			l.write(out, widths, rule)
		}
	}
	return out.Flush()
}

// cells returns the cells of a row as they are shown.
func (l Layout) cells(row []string) []string {
	shown := make([]string, len(row))
	for i, s := range row {
		if shown[i] = quote.Text(s); l.MaxWidth > 0 {
			shown[i] = cut(shown[i], l.MaxWidth)
		}
	}
	return shown
}

func (l Layout) write(w *bufio.Writer, widths []int, line []string) {
	_, _ = w.WriteString(l.Indent) // a bufio.Writer keeps its first error for Flush
	spaces := 0                    // that are due before the next text
	for i, cell := range line {
		pad := widths[i] - Width(cell)
		if l.Columns[i].Right {
			spaces, pad = spaces+pad, 0
		}
		if cell != "" {
			_, _ = w.WriteString(strings.Repeat(" ", spaces))
			_, _ = w.WriteString(cell)
			spaces = 0
		}
		spaces += pad + 2
	}
	_ = w.WriteByte('\n')
}

// cut returns s if it is at most most columns wide, and else its beginning and "…".
func cut(s string, most int) string {
	if Width(s) <= most {
		return s
	}
	wide := 0
	for i, r := range s {
		if wide += runeWidth(r); wide > most-1 {
			return s[:i] + "…"
		}
	}
	return s
}

// Width returns how many columns of a terminal s takes. It adds up the widths of the characters, so it is too large for
// emoji that a terminal joins.
func Width(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

// runeWidth returns 2 for the wide characters of East Asia and emoji, 0 for combining marks and joiners, and 1 for all
// others.
func runeWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}
