package trial

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sluice-etl/sluice/internal/grid"
	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/internal/quote"
	"github.com/sluice-etl/sluice/query"
)

// File is a parsed test file.
type File struct {
	Options query.Options
	Time    time.Time // of the records in Kafka
	Lines   []string
	Joined  []Table // the rows of the tables that the query joins
	Tables  []Table
	Dead    []string
	given   string          // the text in front of what is expected
	seen    map[string]bool // the titles of sections
	options []string        // the names of options
}

// Table holds the rows of a table, as cells, in the order in which they are written. The first row has the names of the
// columns.
type Table struct {
	Name string
	Rows [][]string
}

// Topic is the topic of the records.
const Topic = "logs"

// defaultTime is the time of the records in Kafka if the test sets no other.
var defaultTime = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// TestName returns the name of the test of a query's file.
func TestName(queryFile string) string {
	return strings.TrimSuffix(queryFile, filepath.Ext(queryFile)) + ".test"
}

var (
	section = regexp.MustCompile(`^== (lines|table (.+)|rows of (.+)|dead letters) ==$`)
	setting = regexp.MustCompile(`^([a-z-]+): ?(.*)$`)
)

// Parse parses the text of a test. An error has the number of its line.
func Parse(text string) (*File, error) {
	f, err := parse(text)
	if err == nil && !f.seen["lines"] {
		return nil, fmt.Errorf("there is no section == lines ==")
	}
	return f, err
}

func parse(text string) (*File, error) {
	f := &File{Options: query.DefaultOptions(), Time: defaultTime, seen: map[string]bool{}}
	in, offset := "", 0
	for i, line := range strings.SplitAfter(text, "\n") {
		start := offset
		offset += len(line)
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		if m := section.FindStringSubmatch(line); m != nil {
			if f.seen[m[1]] {
				return nil, fmt.Errorf("line %d: a second section %q", i+1, m[1])
			}
			in, f.seen[m[1]] = m[1], true
			given := in == "lines" || m[2] != ""
			switch {
			case given && f.given != "":
				return nil, fmt.Errorf("line %d: the section %q must be in front of what is expected", i+1, in)
			case !given && f.given == "":
				f.given = text[:start]
			}
			switch {
			case m[2] != "":
				f.Joined = append(f.Joined, Table{Name: m[2]})
			case m[3] != "":
				f.Tables = append(f.Tables, Table{Name: m[3]})
			}
			continue
		}
		var err error
		switch {
		case in == "lines":
			f.Lines = append(f.Lines, line)
		case line == "":
		case in == "":
			err = f.option(line)
		case in == "dead letters":
			f.Dead = append(f.Dead, line)
		case strings.HasPrefix(in, "table "):
			err = f.Joined[len(f.Joined)-1].row(line)
		default:
			err = f.Tables[len(f.Tables)-1].row(line)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	for n := len(f.Lines); n > 0 && f.Lines[n-1] == ""; n-- { // an empty line ends the section
		f.Lines = f.Lines[:n-1]
	}
	if f.given == "" {
		f.given = text
	}
	return f, nil
}

// option sets an option, by the name of its flag.
func (f *File) option(line string) (err error) {
	if strings.HasPrefix(line, "#") {
		return nil
	}
	m := setting.FindStringSubmatch(line)
	if m == nil {
		return fmt.Errorf("expected an option such as format: combined, a comment, or == lines ==; got %s", quote.Text(line))
	}
	f.options = append(f.options, m[1])
	switch name, value := m[1], m[2]; name {
	case "format":
		f.Options.Format = value
	case "log-format-string":
		f.Options.FormatString = value
	case "time-zone":
		if f.Options.TimeZone, err = time.LoadLocation(value); err != nil || value == "" || value == "Local" {
			return fmt.Errorf("time-zone is %q, must be UTC or a name of the IANA time zone database, for example Europe/Vienna", value)
		}
	case "max-lateness":
		f.Options.MaxLateness, err = age(name, value)
	case "max-ahead":
		f.Options.MaxAhead, err = age(name, value)
	case "kafka-time":
		if f.Time, err = time.Parse(time.DateTime, value); err != nil {
			return fmt.Errorf("kafka-time is %q, must be a time in UTC such as 2026-01-31 23:59:59", value)
		}
	default:
		return fmt.Errorf("there is no option %s; there are format, log-format-string, time-zone, max-lateness, max-ahead and kafka-time", name)
	}
	return err
}

// age parses the value of an option.
func age(name, text string) (time.Duration, error) {
	var a option.Age
	if err := a.UnmarshalText([]byte(text)); err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return time.Duration(a), nil
}

// row adds a row.
func (t *Table) row(line string) error {
	cells := strings.Split(line, "|")
	n := len(cells)
	if n < 3 || strings.TrimSpace(cells[0]) != "" || strings.TrimSpace(cells[n-1]) != "" {
		return fmt.Errorf("expected a row such as | 404 | 3 |; got %s", quote.Text(line))
	}
	cells = cells[1 : n-1]
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	if len(t.Rows) > 0 && len(t.Rows[0]) != len(cells) {
		return fmt.Errorf("the row has %d cells, and the table %d columns", len(cells), len(t.Rows[0]))
	}
	t.Rows = append(t.Rows, cells)
	return nil
}

// Cell returns a value as a test has it. Spaces at its ends, empty texts and what would be read as another cell are in
// quotes.
func Cell(text string) string {
	shown := strings.ReplaceAll(quote.Text(text), "|", `\x7c`)
	if shown == "" || strings.TrimSpace(shown) != shown || strings.HasPrefix(shown, "'") {
		return "'" + shown + "'"
	}
	return shown
}

// table returns a table of a dry run as a test has it.
func table(from query.Shown) (t Table, columns []grid.Column) {
	t.Name = from.Name
	names := make([]string, len(from.Columns))
	for i, c := range from.Columns {
		names[i] = Cell(c.Name)
	}
	t.Rows = append(t.Rows, names)
	for _, row := range from.Rows {
		cells := make([]string, len(row))
		for i := range row {
			cells[i] = Cell(row[i])
		}
		t.Rows = append(t.Rows, cells)
	}
	return t, from.Columns
}

// aligned returns the rows of tables with the same columns as aligned text, those of each table in its own list.
func aligned(columns []grid.Column, tables ...[][]string) [][]string {
	widths := make([]int, len(columns))
	for _, row := range slices.Concat(tables...) {
		for i, c := range row {
			widths[i] = max(widths[i], grid.Width(c))
		}
	}
	out := make([][]string, len(tables))
	for k, rows := range tables {
		for _, row := range rows {
			var b strings.Builder
			for i, c := range row {
				pad := strings.Repeat(" ", widths[i]-grid.Width(c))
				if columns[i].Right {
					b.WriteString("| " + pad + c + " ")
				} else {
					b.WriteString("| " + c + pad + " ")
				}
			}
			out[k] = append(out[k], b.String()+"|")
		}
	}
	return out
}
