package query

import (
	"math"
	"math/big"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/fold/value"
)

// difference is an expression for which the answers differ although those for its parts agree.
type difference struct {
	*node
	ours, theirs answer
	row          diffRow
	partRejected bool // both sides reject a part of it
}

// stricter reports whether ours rejected, with this reason, a record that the server accepted.
func (d *difference) stricter(reason string) bool {
	return d.theirs.rejected == "" && strings.Contains(d.ours.rejected, reason)
}

// diffRule is a documented difference from MySQL.
type diffRule struct {
	name     string // its name in docs/query.md
	explains func(d *difference) bool
}

var diffRules = []diffRule{
	{"Integers of 38 digits", func(d *difference) bool {
		n, ok := new(big.Int).SetString(d.ours.text, 10)
		wide := ok && (n.BitLen() >= 63 || n.Sign() < 0) || d.form == "(%s--%s)" // the number between may be wide
		rejected := strings.Contains(d.theirs.rejected, "BIGINT") && strings.Contains(d.theirs.rejected, "out of range")
		m, is := new(big.Int).SetString(d.theirs.text, 10)
		wrapped := ok && is && n.BitLen() > 63 && new(big.Int).Sub(n, m).TrailingZeroBits() >= 64 // in MariaDB, sometimes
		return wide && (rejected || wrapped)
	}},
	{"Decimals of 38 digits", func(d *difference) bool { return d.stricter("38 digits") && (d.is == aDecimal || d.is == anInt) }},
	{"30 digits after the point", func(d *difference) bool {
		ours, ok1 := new(big.Rat).SetString(d.ours.text)
		theirs, ok2 := new(big.Rat).SetString(d.theirs.text)
		if !ok1 || !ok2 || d.theirs.rejected != "" || len(d.theirs.text)-strings.IndexByte(d.theirs.text, '.')-1 <= value.MaxScale {
			return false
		}
		unit := new(big.Rat).SetFrac(big.NewInt(1), new(big.Int).Exp(big.NewInt(10), big.NewInt(value.MaxScale), nil))
		return ours.Sub(ours, theirs).Abs(ours).Cmp(unit) < 0
	}},
	{"Zero has no sign", func(d *difference) bool {
		return d.theirs.rejected == "" && d.theirs.text == "-"+d.ours.text && strings.Trim(d.ours.text, "0.") == ""
	}},
	{"ESCAPE ''", func(d *difference) bool {
		return strings.HasSuffix(d.form, "ESCAPE '')") && d.ours.set && d.theirs.set && strings.Contains(d.args[1].form, `\`)
	}},
	{"CAST beyond SIGNED or UNSIGNED", func(d *difference) bool {
		m := outOfRange.FindStringSubmatch(d.ours.rejected)
		if m == nil || d.theirs.rejected != "" {
			return false
		}
		n, ok := new(big.Rat).SetString(m[1] + m[2])
		if !ok {
			return false
		}
		low, high := new(big.Rat).SetInt64(math.MinInt64), new(big.Rat).SetInt64(math.MaxInt64)
		if strings.HasPrefix(d.theirForm(), "CAST(%s AS unsigned") {
			low, high = new(big.Rat), new(big.Rat).SetUint64(math.MaxUint64)
		} else if !strings.HasPrefix(d.theirForm(), "CAST(%s AS signed") {
			return false
		}
		return n.Cmp(low) < 0 || n.Cmp(high) > 0
	}},
	{"NULL in arithmetic", func(d *difference) bool {
		f, err1 := strconv.ParseFloat(d.ours.text, 64)
		g, err2 := strconv.ParseFloat(d.theirs.text, 64)
		return nullOperand.MatchString(d.node.ours()) && d.theirs.rejected == "" && err1 == nil && err2 == nil && math.Abs(f-g) <= math.Abs(f)*1e-14
	}},
	{"Spellings of times", func(d *difference) bool {
		if strings.HasPrefix(d.form, "STR_TO_DATE(") && d.stricter("does not match the format") {
			return cutName.MatchString(d.ours.rejected)
		}
		if !strings.HasPrefix(d.theirForm(), "CAST(%s AS datetime") {
			return false
		}
		if m := notATime.FindStringSubmatch(d.ours.rejected); m != nil {
			text, err := strconv.Unquote(m[1])
			return err == nil && d.theirs.rejected == "" && !documentedTime.MatchString(text)
		}
		m := incorrectTime.FindStringSubmatch(d.theirs.rejected)
		return m != nil && d.ours.set && strings.HasPrefix(documentedValue(m[1]), d.ours.text)
	}},
	{"Times before the year 1000", func(d *difference) bool {
		return d.stricter("is out of range: it must be from 1000-01-01") && d.theirs.text < "1000" || strings.Contains(d.theirs.rejected, "datetime field overflow") // of DATE_ADD, which stands for TUMBLE
	}},
	{"FROM_UNIXTIME", func(d *difference) bool {
		return strings.HasPrefix(d.form, "FROM_UNIXTIME(") && (d.stricter("expected seconds since 1970") && !d.theirs.set || strings.Contains(d.theirs.rejected, "incorrect unixtime value") && d.ours.text > "2038-01-19 03:14:07")
	}},
	{"LOCATE of an empty text", func(d *difference) bool {
		return d.form == "LOCATE(%s, %s, %s)" && d.theirs.rejected == "" && d.ours.rejected == "" && d.args[0].form == "''"
	}},
	{"REPLACE by NULL", func(d *difference) bool {
		return strings.HasPrefix(d.form, "REPLACE(") && !d.ours.set && d.ours.rejected == "" && d.theirs.set
	}},
	{"Numbers of characters beyond 64 bits", func(d *difference) bool {
		return countsCharacters.MatchString(d.form) && d.ours.rejected == "" && strings.Contains(d.theirs.rejected, "Got overflow when converting") && strings.Contains(d.theirs.rejected, "to INT.")
	}},
	{"Other spellings of IP addresses", func(d *difference) bool {
		zeroByte := d.readsText("\x00") && (strings.Contains(d.theirForm(), "INET6_ATON(") || strings.Contains(d.form, "IS_IPV6("))
		return (zeroByte || strings.Contains(d.form, "INET_ATON(")) && (!d.ours.set || d.ours.text == "0") && d.ours.rejected == "" && d.theirs.set
	}},
	{"Patterns without backtracking", func(d *difference) bool {
		return d.ours.rejected == "" && strings.Contains(d.theirs.rejected, "match limit exceeded")
	}},
	{"Intervals beyond all years", func(d *difference) bool {
		if !strings.Contains(d.form, "INTERVAL") || !d.stricter("the time is out of range") || d.args[1].column < 0 {
			return false
		}
		v := d.row[d.args[1].column]
		return v != nil && len(strings.TrimPrefix(*v, "-")) >= 10
	}},
	{"$ before a line end", func(d *difference) bool {
		text := d.node.ours()
		return (strings.Contains(d.form, "REGEXP") || strings.Contains(d.form, "RLIKE")) && strings.Contains(text, "$") && d.hasLineEnd()
	}},
	{"Shifts beyond 32 bits", func(d *difference) bool {
		if !strings.HasPrefix(d.form, "(%s <<") && !strings.HasPrefix(d.form, "(%s >>") || len(d.args) < 2 || d.args[1].column < 0 || d.ours.text != "0" {
			return false
		}
		v := d.row[d.args[1].column]
		n, ok := new(big.Int).SetString(*v, 10)
		return ok && n.BitLen() > 32
	}},
	{"CONV of other texts", func(d *difference) bool {
		return strings.HasPrefix(d.form, "CONV(") && d.stricter("is not a number of base")
	}},
	{"Dates that do not exist", func(d *difference) bool {
		if !d.stricter("does not match the format") || !d.theirs.set || len(d.theirs.text) < 10 {
			return false
		}
		_, err := time.Parse(time.DateOnly, d.theirs.text[:10])
		return err != nil
	}},
	// aggregate generates no sums of quotients.
	{"Sums of quotients", func(*difference) bool { return false }},
	// If both sides reject a part, ours rejects the whole if it needs the part. The server warns even of parts that it
	// does not need, but does not warn of anything within comparisons.
	{"Parts that are not needed", func(d *difference) bool {
		return d.partRejected && d.ours.rejected == "" && (d.theirs.failed || agree(d.ours, d.theirs, d.is))
	}},
	{"Parts that are dead letters", func(d *difference) bool { return d.partRejected && d.theirs.rejected == "" && d.ours.rejected != "" }},
}

// hasLineEnd reports whether a text that the expression reads contains a line end.
func (d *difference) hasLineEnd() bool {
	return d.readsText("\n") || strings.Contains(d.node.ours(), `\n'`)
}

// readsText reports whether a column that the expression reads contains a text.
func (d *difference) readsText(part string) bool {
	seen := map[int]bool{}
	d.columns(seen)
	for i := range seen {
		if v := d.row[i]; v != nil && strings.Contains(*v, part) {
			return true
		}
	}
	return strings.Contains(d.node.ours(), strings.Trim(sqlQuote(part), "'"))
}

var outOfRange = regexp.MustCompile(`: "?[ \\a-z]*([-+]?\d+)[^:]*" is out of range$|: ([-+]?[\d.]+(?:e[-+]\d+)?) is out of range$`)

// cutName matches the reason of a text that ends with a part of a name, or has one.
var cutName = regexp.MustCompile(`: ".*[a-z][^a-z]*" does not match the format$`)

var countsCharacters = regexp.MustCompile(`^(LEFT|RIGHT|SUBSTR|SUBSTRING|MID|LOCATE|REPEAT)\(`)

// nullOperand matches the literal NULL as an operand or an argument.
var nullOperand = regexp.MustCompile(`[-+*/%(,] ?NULL|(DIV|MOD|THEN|ELSE) NULL`)

var (
	notATime       = regexp.MustCompile(`: (".*") is not a time such as`)
	incorrectTime  = regexp.MustCompile(`ncorrect datetime value: '(.*?)'`)
	documentedTime = regexp.MustCompile(`^\s*\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d([.,]\d+)?)?)?\s*$`)
)

// documentedValue returns the instant of a text in a form that MariaDB does not parse: with a zone, with a comma before
// the fraction, or of a leap second.
func documentedValue(text string) string {
	text = strings.Replace(strings.Replace(strings.TrimSpace(text), ",", ".", 1), "T", " ", 1)
	leap := strings.Contains(text, ":60")
	text = strings.Replace(text, ":60", ":59", 1)
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 Z07:00", "2006-01-02 15:04:05Z0700", "2006-01-02 15:04:05 Z0700"} {
		if at, err := time.Parse(layout, text); err == nil {
			if leap {
				at = at.Add(time.Second)
			}
			return at.UTC().Format("2006-01-02 15:04:05.000000")
		}
	}
	return "" // any other text, which ours must not accept as a time
}

func (n *node) theirForm() string {
	if n.theirs != "" {
		return n.theirs
	}
	return n.form
}

// Each rule is a difference that the documentation lists.
func TestDifferential_rulesAreDocumented(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile("../docs/query.md")
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`\s+`).ReplaceAllString(string(docs), " ")
	for _, r := range slices.Concat(jsonRules, jsonTextRules, diffRules) {
		if !strings.Contains(text, "**"+r.name+".** ") {
			t.Errorf("docs/query.md has no difference from MySQL that begins with **%s.**", r.name)
		}
	}
}
