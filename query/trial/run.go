package trial

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/internal/grid"
	"github.com/sluice-etl/sluice/mysqlout/schema"
	"github.com/sluice-etl/sluice/query"
)

// Result is what a query made of the lines of a test.
type Result struct {
	Rows, Dead int
	// Diff is empty if the test passes. Else its lines are those of a section, with "- " in front of what is expected and
	// missing and "+ " in front of what the query made instead.
	Diff []string
	// Text is the test with what the query made in place of what it expects.
	Text string
}

// Run runs a query over the lines of its test. render is applied to the reasons of dead letters; it is for the names of
// options. An error is that of the query, which does not compile, or ctx's.
func (f *File) Run(ctx context.Context, queryText string, render func(string) string) (*Result, error) {
	plan, err := query.Compile(queryText, f.Options)
	if err != nil {
		return nil, err
	}
	if err := plan.Locate(schema.CheckDeclared(plan.Tables())); err != nil {
		return nil, err
	}
	if err := plan.Bind(schema.Created(plan.Tables())); err != nil {
		return nil, err
	}
	if err := SetJoined(plan, f.Joined); err != nil {
		return nil, err
	}
	in := query.Input{Name: Topic, Reader: strings.NewReader(strings.Join(f.Lines, "\n")), Time: f.Time}
	tables, letters, res, err := query.Evaluate(ctx, plan, []query.Input{in}, -1)
	if err != nil {
		return nil, err
	}
	var dead []string
	for _, d := range letters {
		dead = append(dead, fmt.Sprintf("%d: %s", d.Offset+1, query.Explanation(d, render)))
	}
	out := &Result{Rows: res.Rows, Dead: int(res.Dead)}
	text := strings.Builder{}
	text.WriteString(strings.TrimRight(f.given, "\n") + "\n")
	expected := slices.Clone(f.Tables)
	for _, shown := range tables {
		t, columns := table(shown)
		all := aligned(columns, t.Rows)
		fmt.Fprintf(&text, "\n== rows of %s ==\n%s\n", t.Name, strings.Join(all[0], "\n"))
		want := Table{}
		if i := slices.IndexFunc(expected, func(e Table) bool { return e.Name == t.Name }); i >= 0 {
			want = expected[i]
			expected = slices.Delete(expected, i, i+1)
		}
		out.Diff = append(out.Diff, t.diff(want, columns)...)
	}
	for _, e := range expected {
		out.Diff = append(out.Diff, fmt.Sprintf("rows of %s:", e.Name), "- the query has no such table")
	}
	if len(dead) > 0 {
		fmt.Fprintf(&text, "\n== dead letters ==\n%s\n", strings.Join(dead, "\n"))
	}
	if lines := difference(f.Dead, dead); lines != nil {
		out.Diff = append(append(out.Diff, "dead letters:"), lines...)
	}
	out.Text = text.String()
	return out, nil
}

// diff compares the rows of a query with those that are expected, in any order.
func (t Table) diff(want Table, columns []grid.Column) []string {
	title := fmt.Sprintf("rows of %s:", t.Name)
	if len(want.Rows) == 0 {
		if len(t.Rows) == 1 {
			return nil
		}
		want.Rows = t.Rows[:1]
	}
	if !slices.Equal(want.Rows[0], t.Rows[0]) {
		return []string{title, "- | " + strings.Join(want.Rows[0], " | ") + " |", "+ | " + strings.Join(t.Rows[0], " | ") + " |"}
	}
	both := aligned(columns, want.Rows, t.Rows)
	lines := difference(both[0][1:], both[1][1:])
	if lines == nil {
		return nil
	}
	return append([]string{title, "  " + both[0][0]}, lines...)
}

// difference returns the lines of want that got lacks and those that want lacks, nil if there are none. The order of
// lines does not matter, but how often one comes does.
func difference(want, got []string) (lines []string) {
	rest := slices.Clone(got)
	for _, w := range want {
		if i := slices.Index(rest, w); i >= 0 {
			rest = slices.Delete(rest, i, i+1)
		} else {
			lines = append(lines, "- "+w)
		}
	}
	for _, g := range rest {
		lines = append(lines, "+ "+g)
	}
	return lines
}
