package query

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/fold/window"
	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/query/expr"
	"github.com/sluice-etl/sluice/query/funcs"
)

var (
	diffSeed  = flag.String("differential.seed", cmp.Or(os.Getenv("ETL_TEST_SEED"), "1"), "seed of the differential test, a number; \"time\" takes the time")
	diffPairs = flag.Int("differential.pairs", 100_000, "how many answers the differential test compares")
)

// differentialSeed returns the seed of a run, and prints it. By default it is the same for every run, so that a failure
// is caused by a change and not by new random values. Use -differential.seed=time to try others.
func differentialSeed(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if *diffSeed != "time" {
		var err error
		if seed, err = strconv.ParseUint(*diffSeed, 10, 64); err != nil {
			t.Fatalf("-differential.seed or ETL_TEST_SEED: %v", err)
		}
	}
	t.Logf("the seed is %d: go test ./query -run '^%s$' -differential.seed=%d repeats it", seed, t.Name(), seed)
	return seed
}

const diffRows = 50 // rows of values for each expression

// Every expression of the language gives the same answer as on the server, for values that are chosen to be difficult.
// If the answers differ, a rule of diffRules must name the difference, and docs/query.md must document it.
func TestDifferential(t *testing.T) {
	t.Parallel()
	seed := differentialSeed(t)
	d := &differential{server: startDiffServer(t), rng: rand.New(rand.NewPCG(seed, 0)), seen: map[string]int{}, rules: map[string]int{}, reported: map[string]bool{}}
	began := time.Now()
	for d.pairs < *diffPairs && d.failures < 10 {
		d.format = &diffFormat{}
		for range diffRows {
			d.format.rows = append(d.format.rows, drawRow(d.rng))
		}
		d.server.load(t, d.format.rows)
		if d.pairs == 0 {
			d.each(t)
		}
		for range 40 {
			is := pick(d.rng, anInt, aDecimal, aDouble, aText, aTime, aCondition, anApproximation)
			d.expression(t, generate(d.rng, is, 1+d.rng.IntN(3), true))
		}
		for range 3 {
			d.aggregate(t)
		}
	}
	t.Logf("DIFFERENTIAL: %d answers of %d expressions agree with MariaDB's (seed %d, %.0f s); %d expressions were rejected at start", d.pairs, d.expressions, seed, time.Since(began).Seconds(), d.rejected)
	for _, name := range slices.Sorted(maps.Keys(d.rules)) {
		t.Logf("rule %q: %d", name, d.rules[name])
	}
	if d.rejected > d.expressions/5 {
		t.Errorf("%d expressions of %d were rejected at start: the generator builds too many invalid ones, expected at most %v", d.rejected, d.rejected+d.expressions, d.expressions/5)
	}
	if d.failures == 0 {
		d.covered(t)
	}
}

type differential struct {
	server      *diffServer
	format      *diffFormat
	rng         *rand.Rand
	pairs       int
	expressions int
	rejected    int
	failures    int
	reported    map[string]bool // forms of expressions whose differences were printed
	seen        map[string]int  // answers by operator, function or other element of the language
	rules       map[string]int  // answers by the rule that explains them
}

// each makes every production generate an expression that is not rejected at start.
func (d *differential) each(t *testing.T) {
	for _, is := range slices.Sorted(maps.Keys(productions)) {
		for _, p := range productions[is] {
			for tries := 0; tries < 50 && !d.expression(t, produce(d.rng, is, p, 1)); tries++ {
			}
		}
	}
}

// expression compares the answers for an expression. It reports false if the expression is rejected at start.
func (d *differential) expression(t *testing.T, n *node) bool {
	p, err := d.format.compile(diffStatement(n))
	if err != nil {
		if !constantFault(err) {
			d.fail(t, "%s is rejected at start: %v", n.ours(), err)
		}
		d.rejected++
		return false
	}
	d.expressions++
	d.note(p.programs[0].st.Items[0].Expr)
	all := make([]int, len(d.format.rows))
	for i := range all {
		all[i] = i
	}
	ours := d.format.evaluate(p, all)
	d.pairs += len(ours)
	theirs := d.ask(t, n, ours)
	for i := range ours {
		if d.failures >= 10 || d.compare(t, n, i, ours[i], theirs[i]) {
			continue
		}
		d.report(t, n, i)
	}
	return true
}

func diffStatement(n *node) string { return "INSERT INTO t SELECT " + n.ours() + " AS x FROM events" }

// constantFault reports whether a statement is rejected because of the value of a constant in it. The constant may be
// in a branch that no record takes.
func constantFault(err error) bool {
	for _, s := range []string{"is not a number", "is out of range", "is not a time such as", "more than 38 digits", "out of a DOUBLE's range", "of NULL is always NULL", "of NULL is always 0", "is NULL, but a time is expected", "does not match the format", "the time is out of range"} {
		if strings.Contains(err.Error(), s) {
			return true
		}
	}
	return false
}

// ask evaluates an expression on the server for all rows: in one statement for those that ours accepts, if none of them
// causes a warning, and one by one for the others.
func (d *differential) ask(t *testing.T, n *node, ours []answer) []answer {
	theirs := make([]answer, len(ours))
	text := n.theirText()
	var together, alone []int
	for i := range ours {
		if ours[i].rejected == "" {
			together = append(together, i)
		} else {
			alone = append(alone, i)
		}
	}
	if len(together) > 0 {
		lines, warnings, rejected, err := d.server.query(t.Context(), fmt.Sprintf("SELECT %s FROM v WHERE id IN (%s) ORDER BY id", text, list(together)))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if rejected != nil || slices.ContainsFunc(warnings, func(w string) bool { return !cutsAsAsked(w) }) {
			alone, together = append(alone, together...), nil
		}
		for k, i := range together {
			theirs[i] = answer{set: lines[k][0].Valid, text: lines[k][0].String}
		}
	}
	for _, i := range alone {
		theirs[i] = d.server.one(t, text, i)
	}
	return theirs
}

func list(rows []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(rows), " ", ","), "[]")
}

// compare reports whether two answers agree, or the difference is a documented one.
func (d *differential) compare(t *testing.T, n *node, row int, ours, theirs answer) bool {
	switch {
	case ours.rejected != "" && theirs.rejected != "":
		return true
	case ours.rejected == "" && theirs.rejected == "" && agree(ours, theirs, n.is):
		return true
	}
	return d.explained(t, n, row, ours, theirs)
}

// explained reports whether a rule explains why answers differ. If a part of the expression differs already, the whole
// may differ too.
func (d *differential) explained(t *testing.T, n *node, row int, ours, theirs answer) bool {
	p := &difference{n, ours, theirs, d.format.rows[row], false}
	whole := true
	for _, a := range n.args {
		part, their, ok := d.both(t, a, row)
		if !ok {
			continue
		}
		if part.rejected == "" && their.rejected == "" && agree(part, their, a.is) {
			continue
		}
		if part.rejected != "" && their.rejected != "" {
			p.partRejected = true
			continue
		}
		if !d.explained(t, a, row, part, their) {
			return false
		}
		whole = false
	}
	if !whole {
		return true
	}
	for _, r := range diffRules {
		if r.explains(p) {
			d.rules[r.name]++
			return true
		}
	}
	return false
}

// both evaluates a part of an expression on both sides; ok is false if the part is not an expression by itself.
func (d *differential) both(t *testing.T, n *node, row int) (ours, theirs answer, ok bool) {
	p, err := d.format.compile(diffStatement(n))
	if err != nil && !constantFault(err) {
		return ours, theirs, false
	}
	if err != nil {
		ours.rejected = err.Error()
	} else {
		ours = d.format.evaluate(p, []int{row})[0]
	}
	return ours, d.server.one(t, n.theirText(), row), true
}

// report finds the smallest expression that differs without an explanation, and prints it.
func (d *differential) report(t *testing.T, n *node, row int) {
	ours, theirs, _ := d.both(t, n, row)
smaller:
	for {
		for _, a := range n.args {
			part, their, ok := d.both(t, a, row)
			if ok && !d.compare(t, a, row, part, their) {
				n, ours, theirs = a, part, their
				continue smaller
			}
		}
		break
	}
	if d.reported[n.form] {
		return // each difference is printed once
	}
	d.reported[n.form] = true
	seen := map[int]bool{}
	n.columns(seen)
	var values []string
	for i := range diffColumns {
		if seen[i] {
			values = append(values, diffColumns[i].name+" = "+d.format.rows[row].literal(i))
		}
	}
	d.fail(t, "%s\nvalues: %s\nours:    %v\ntheirs:  %v\non the server: %s", n.ours(), strings.Join(values, ", "), ours, theirs, n.theirText())
}

func (d *differential) fail(t *testing.T, format string, args ...any) {
	d.failures++
	t.Errorf(format, args...)
}

// note counts the elements of an expression.
func (d *differential) note(e *ast.Expr) {
	if e == nil {
		return
	}
	d.seen[fmt.Sprintf("op %d", e.Op)] += diffRows
	switch e.Op {
	case ast.OpCall, ast.OpArith, ast.OpCompare, ast.OpCast, ast.OpInterval, ast.OpIs, ast.OpBit:
		d.seen[fmt.Sprintf("op %d %s", e.Op, e.Name)] += diffRows
	}
	for _, a := range e.Args {
		d.note(a)
	}
}

// covered fails for every element in the language's own tables that no expression contained.
func (d *differential) covered(t *testing.T) {
	t.Helper()
	var want []string
	for _, name := range ast.Aggregates {
		if strings.HasPrefix(name, "approx_") {
			continue // no server has it
		}
		want = append(want, fmt.Sprintf("op %d %s", ast.OpCall, name))
	}
	for op := range ast.OpEnd {
		want = append(want, fmt.Sprintf("op %d", op))
	}
	for _, f := range funcs.Library().Functions {
		if name := f.Name; provenElsewhere[name] == "" {
			want = append(want, fmt.Sprintf("op %d %s", ast.OpCall, name))
		}
	}
	arithmetic, comparisons, casts := expr.Operators()
	for _, name := range arithmetic {
		want = append(want, fmt.Sprintf("op %d %s", ast.OpArith, name))
	}
	for _, name := range comparisons {
		want = append(want, fmt.Sprintf("op %d %s", ast.OpCompare, name))
	}
	for _, name := range casts {
		want = append(want, fmt.Sprintf("op %d %s", ast.OpCast, name))
	}
	for _, unit := range []string{"microsecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year"} {
		if window.NewCalendar(time.UTC, unit, 1) != nil {
			want = append(want, fmt.Sprintf("op %d %s", ast.OpInterval, unit))
		}
	}
	for _, name := range append(expr.BitOperators(), "~") {
		want = append(want, fmt.Sprintf("op %d %s", ast.OpBit, name))
	}
	for _, unit := range funcs.CompoundUnits() {
		want = append(want, fmt.Sprintf("op %d %s", ast.OpInterval, unit))
	}
	for _, w := range want {
		if d.seen[w] < diffRows {
			t.Errorf("%s: the language has it, but no expression of the differential test does: add a production", w)
		}
	}
}
