package query

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/row"
)

// groupKeys are expressions that many rows share.
var groupKeys = []string{
	"COALESCE(n1, 0)", "COALESCE(LEFT(s1, 1), '')", "COALESCE(d3 % 2, 0.5)", "COALESCE(TUMBLE(CAST(t1 AS DATETIME(2)), INTERVAL 500 YEAR), CAST('1000-01-01' AS DATETIME))", "LEFT('all', 2)", "COALESCE(s2, 'none')",
	"n1 IS NULL", "COALESCE(d1, 0)", "n1", "LEFT(s1, 1)", "d3 % 2", "TUMBLE(CAST(t1 AS DATETIME(2)), INTERVAL 500 YEAR)", "NULLIF(s2, '')", "IF(n1 > 2, n1, NULL)",
}

// aggregate compares the rows of a grouped statement, over the rows of values for which both sides agree on its
// expressions.
func (d *differential) aggregate(t *testing.T) {
	is := pick(d.rng, anInt, aDecimal, aDouble, aText, aTime)
	x, cond := generate(d.rng, is, d.rng.IntN(3), true), generate(d.rng, aCondition, 1+d.rng.IntN(2), true)
	if strings.Contains(x.theirText(), "(CONVERT(") {
		return // in MariaDB, aggregates of bytes that were converted to text are sometimes empty
	}
	kinds := []place{anInt, aText, aDecimal, aTime, aText, aText, anInt, aDecimal, anInt, aText, aDecimal, aTime, aText, anInt}
	k := d.rng.IntN(len(groupKeys))
	key := &node{is: kinds[k], form: groupKeys[k], column: -1}
	if key.is == aTime {
		key.theirs = "TIMESTAMP(CONCAT(LPAD(GREATEST((YEAR(t1) - 1) DIV 500 * 500 + 1, 0), 4, '0'), '-01-01'))"
		if strings.HasPrefix(key.form, "COALESCE") {
			key.theirs = "COALESCE(" + key.theirs + ", TIMESTAMP('1000-01-01'))"
		}
	}
	functions := []string{"COUNT(*)", "COUNT(%s)", "MIN(%s)", "MAX(%s)", "ANY_VALUE(%s)", "SUM(%s)", "BIT_AND(%s)", "BIT_OR(%s)", "BIT_XOR(%s)"}
	switch {
	case is == aText || is == aTime || is == aDouble || x.form == "(%s / %s)":
		functions = functions[:5]
	case is == aDecimal:
		functions = functions[:6]
	}
	counts := 2 // the functions that return an integer
	if key.is != aText {
		// MariaDB 10.11 sorts the rows for COUNT(DISTINCT) and GROUP_CONCAT, and then has several groups of '' and of a NUL.
		// What is chosen is the number of a row, which is also its offset.
		functions = slices.Insert(functions, counts, "COUNT(DISTINCT %s)", "MIN_BY(_offset, %s)", "MAX_BY(_offset, %s)", "FIRST(_offset)", "LAST(_offset)")
		counts += 5
	}
	if is == aText && key.is != aText {
		functions = append(functions, "GROUP_CONCAT(DISTINCT %s ORDER BY %s SEPARATOR '\n')")
	}
	items, their := []string{key.ours() + " AS k"}, []string{key.theirText()}
	for i, f := range functions {
		items = append(items, strings.ReplaceAll(f, "%s", x.ours())+fmt.Sprintf(" AS c%d", i))
		f = strings.Replace(f, "ANY_VALUE", "MIN", 1) // which of the values is not defined there
		text := x.theirText()
		if strings.HasPrefix(f, "BIT_") {
			// MariaDB cuts what is not a BIGINT UNSIGNED there to the range of a BIGINT, such as IFNULL(u1, i1).
			text = fmt.Sprintf("CAST(IF(%[1]s < 0, %[1]s + 18446744073709551616, %[1]s) AS UNSIGNED)", text)
		}
		if chosen, ok := theirChosen[f]; ok {
			f = chosen
		}
		their = append(their, strings.ReplaceAll(f, "%s", text))
	}
	p, err := d.format.compile("INSERT INTO t SELECT " + strings.Join(items, ", ") + " FROM events WHERE " + cond.ours() + " GROUP BY k")
	if err != nil {
		if !constantFault(err) {
			d.fail(t, "%s: %v", items, err)
		}
		d.rejected++
		return
	}
	d.expressions += len(functions)
	for _, it := range p.programs[0].st.Items {
		d.note(it.Expr)
	}
	d.note(p.programs[0].st.Where)
	rows := d.agreeing(t, x, cond, key)
	out, dead := d.format.fold(p, rows)
	rows = slices.DeleteFunc(rows, func(n int) bool {
		reason, is := dead[n]
		if is && !strings.Contains(reason, "is out of range: it must have at most 28 digits") && !strings.Contains(reason, "38 digits") && !strings.Contains(reason, "more than 64 bits") {
			d.fail(t, "%s: row %d is dead: %s", items, n, reason)
		}
		return is
	})
	if len(rows) == 0 {
		return
	}
	// IS TRUE keeps MariaDB from rewriting the condition: 18446744073709551615 BETWEEN f2 AND n1 is true in its WHERE
	// where it is false in its SELECT.
	text := fmt.Sprintf("SELECT %s FROM v WHERE id IN (%s) AND (%s) IS TRUE GROUP BY 1", strings.Join(their, ", "), list(rows), cond.theirText())
	lines, _, rejected, err := d.server.query(t.Context(), text)
	if err != nil || rejected != nil {
		t.Fatalf("%s: got rejection %v and error %v; expected neither", text, rejected, err)
	}
	d.pairs += len(rows) * len(functions)
	groups := map[string][]answer{}
	for i := range out.Len() {
		var as []answer
		for j, cell := range out.Cells(i) {
			if c := &out.Table.Columns[1+j]; !c.Hidden {
				as = append(as, cellAnswer(out, &cell, c))
			}
		}
		groups[keyText(out, i)] = as
	}
	for _, line := range lines {
		name := line[0].String
		if !line[0].Valid {
			name = nullGroup
		}
		if name == "-"+strings.TrimPrefix(name, "-") && strings.Trim(name, "-0.") == "" && key.is == aDecimal {
			name = name[1:]
		}
		as, ok := groups[name]
		delete(groups, name)
		for j := range as {
			kind := is
			if j < counts {
				kind = anInt
			}
			theirs := answer{set: line[1+j].Valid, text: line[1+j].String}
			ok = ok && (agree(as[j], theirs, kind) || kind == aDecimal && theirs.text == "-"+as[j].text && strings.Trim(as[j].text, "0.") == "")
		}
		if !ok {
			d.fail(t, "%s\nwhere %s\ngroup %q\nours:   %v\ntheirs: %v\non the server: %s\nseed's rows: %v", items, cond.ours(), name, as, line, text, rows)
			return
		}
	}
	if len(groups) > 0 {
		d.fail(t, "%s\nwhere %s\nonly ours has the groups %v\non the server: %s", items, cond.ours(), groups, text)
	}
}

// theirChosen are the functions that choose a row, as MariaDB can say them. A constant after ORDER BY would be the number
// of a column, and IF makes it an expression.
var theirChosen = map[string]string{
	"MIN_BY(_offset, %s)": chosenRow("IF(%s IS NULL, NULL, id) ORDER BY IF(id < 0, NULL, %s), id"),
	"MAX_BY(_offset, %s)": chosenRow("IF(%s IS NULL, NULL, id) ORDER BY IF(id < 0, NULL, %s) DESC, id DESC"),
	"FIRST(_offset)":      chosenRow("id ORDER BY id * 7 % 11, id"),
	"LAST(_offset)":       chosenRow("id ORDER BY id * 7 % 11 DESC, id DESC"),
}

func chosenRow(order string) string {
	return "CAST(SUBSTRING_INDEX(GROUP_CONCAT(" + order + "), ',', 1) AS SIGNED)"
}

// nullGroup is the name of the group with NULL, which no text is.
const nullGroup = "\xffNULL"

// agreeing returns the rows for which both sides give all expressions the same value.
func (d *differential) agreeing(t *testing.T, expressions ...*node) (rows []int) {
	left := make([]int, len(d.format.rows))
	for i := range left {
		left[i] = i
	}
	for _, n := range expressions {
		p, err := d.format.compile(diffStatement(n))
		if err != nil {
			return nil // a constant that is rejected
		}
		all := make([]answer, len(d.format.rows))
		for k, a := range d.format.evaluate(p, left) {
			all[left[k]] = a
		}
		theirs := d.ask(t, n, all)
		left = slices.DeleteFunc(left, func(i int) bool {
			return all[i].rejected != "" || theirs[i].rejected != "" || !agree(all[i], theirs[i], n.is)
		})
	}
	return left
}

// keyText returns a group's key of one column as the server shows it.
func keyText(rows *row.Rows, i int) string {
	c := &rows.Table.Columns[0]
	key := rows.Key(i)
	v := value.Value{Set: true}
	switch c.Kind {
	case row.Int, row.Decimal:
		v.Number, key = row.KeyNumber(key)
	case row.Datetime:
		var micros int64
		micros, key = row.KeyDatetime(key)
		v = value.Time(micros)
	default:
		v.Bytes, key = row.KeyBytes(nil, key)
	}
	if c.Nullable {
		if null, _ := row.KeyNull(key); null {
			return nullGroup
		}
	}
	return cellText(v, c)
}
