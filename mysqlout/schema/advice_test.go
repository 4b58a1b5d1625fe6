package schema

import (
	"slices"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// adviceTable returns a table with a column of each kind: hits(minute, page, n, amount, last, note, raw).
func adviceTable() row.Table {
	return row.Table{Name: "hits", Grouped: true, Keys: 2, Columns: []row.Column{
		{Name: "minute", Kind: row.Datetime, Merge: row.Key},
		{Name: "page", Kind: row.Text, Merge: row.Key},
		{Name: "n", Kind: row.Int, Merge: row.Add},
		{Name: "amount", Kind: row.Decimal, Merge: row.Add, Scale: 2, Nullable: true},
		{Name: "last", Kind: row.Datetime, Merge: row.Max, Nullable: true},
		{Name: "note", Kind: row.Text, Merge: row.Max, Nullable: true},
		{Name: "ratio", Kind: row.Double, Merge: row.Max, Nullable: true},
	}}
}

// adviceDDL returns the DDL of adviceTable with these columns or lines in place of the usual ones; options follow the
// definition.
func adviceDDL(options string, instead ...string) string {
	lines := []string{
		"minute DATETIME NOT NULL", "page VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL", "n BIGINT NOT NULL",
		"amount DECIMAL(38,2) NULL", "last DATETIME NULL", "note TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NULL", "ratio DOUBLE NULL",
		"PRIMARY KEY (minute, page)",
	}
	for _, line := range instead {
		name, _, _ := strings.Cut(line, " ")
		if line == "-" {
			lines = lines[:len(lines)-1] // without a key
			continue
		}
		at := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, name+" ") })
		switch {
		case strings.HasSuffix(line, " -"):
			lines = slices.Delete(lines, at, at+1)
		case at < 0:
			lines = append(lines, line)
		default:
			lines[at] = line
		}
	}
	return "CREATE TABLE hits (" + strings.Join(lines, ", ") + ") CHARACTER SET latin1 " + options
}

// All advice that is printed as SQL can be run unchanged, and then the check finds nothing wrong with the table. The
// statements of all findings are run in the order in which they are printed.
func TestCheck_adviceFixesTheTable(t *testing.T) {
	t.Parallel()
	runAdvice(t, mariadbtest.Start(t), "")
}

// With explicit_defaults_for_timestamp=0, MySQL 5.7's own default, a TIMESTAMP NOT NULL gets implicit attributes, and a
// MODIFY without its default would restore them.
func TestCheck_adviceWithoutExplicitDefaults(t *testing.T) {
	t.Parallel()
	runAdvice(t, mariadbtest.Start(t, mariadbtest.Args("--explicit-defaults-for-timestamp=0")), "TIMESTAMP")
}

type adviceCase struct {
	ddl     string
	want    string // text of a finding
	more    []string
	warns   bool // the finding is a warning
	mariadb bool // the statement exists in MariaDB only
}

// runAdvice runs the cases whose statement has this text.
func runAdvice(t *testing.T, server *mariadbtest.Server, having string) {
	t.Helper()
	for name, test := range map[string]adviceCase{
		"as it should be":                   {ddl: adviceDDL("")},
		"engine":                            {ddl: adviceDDL("ENGINE=MyISAM"), want: "must be InnoDB"},
		"no column":                         {ddl: adviceDDL("", "ratio -"), want: "there is no such column"},
		"no key column":                     {ddl: adviceDDL("", "page -", "PRIMARY KEY (minute)"), want: "there is no such column"},
		"no key":                            {ddl: adviceDDL("", "-"), want: "no unique key is exactly"},
		"ids":                               {ddl: adviceDDL("", "-", "id INT NOT NULL AUTO_INCREMENT PRIMARY KEY"), want: "would run out"},
		"ids in the key":                    {ddl: adviceDDL("", "-", "id BIGINT NOT NULL AUTO_INCREMENT", "PRIMARY KEY (id, minute, page)"), want: "is not the query's key"},
		"another key":                       {ddl: adviceDDL("", "UNIQUE KEY `a``b` (n)"), want: "is not the query's key"},
		"a larger primary key":              {ddl: adviceDDL("", "-", "PRIMARY KEY (minute, page, n)"), want: "is not the query's key"},
		"part of a text":                    {ddl: adviceDDL("", "page VARCHAR(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL", "-", "PRIMARY KEY (minute, page(10))"), want: "only a prefix"},
		"part of a long text":               {ddl: adviceDDL("", "page TEXT CHARACTER SET utf8mb4 NOT NULL", "-", "PRIMARY KEY (minute, page(10))"), want: "only a prefix"},
		"collation":                         {ddl: adviceDDL("", "page VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL COMMENT 'the page''s path'"), want: "different values are equal"},
		"collation, null and default":       {ddl: adviceDDL("", "page VARCHAR(200) CHARACTER SET latin1 NULL DEFAULT 'it''s'", "-", "UNIQUE KEY (minute, page)"), want: "can be NULL"},
		"collation of a maximum":            {ddl: adviceDDL("", "note VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NULL"), want: "different values are equal"},
		"character set":                     {ddl: adviceDDL("", "note TEXT CHARACTER SET latin1 COLLATE latin1_nopad_bin NULL"), want: "cannot hold every character", warns: true, mariadb: true},
		"a padded key":                      {ddl: adviceDDL("", "page CHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL"), want: "which pads"},
		"a padded binary key":               {ddl: adviceDDL("", "page BINARY(20) NOT NULL"), want: "which pads"},
		"an ENUM key":                       {ddl: adviceDDL("", "page ENUM('A','b') NOT NULL"), want: "must be VARCHAR"},
		"INT total":                         {ddl: adviceDDL("", "n INT UNSIGNED NOT NULL DEFAULT 7"), want: "would outgrow"},
		"text for a number":                 {ddl: adviceDDL("", "n VARCHAR(20) NOT NULL"), want: "must be BIGINT or DECIMAL"},
		"FLOAT":                             {ddl: adviceDDL("", "ratio FLOAT NULL"), want: "must be DOUBLE"},
		"DOUBLE with digits":                {ddl: adviceDDL("", "ratio DOUBLE(8,2) NULL"), want: "must be DOUBLE"},
		"DATE key":                          {ddl: adviceDDL("", "minute DATE NOT NULL"), want: "must be DATETIME"},
		"NOT NULL":                          {ddl: adviceDDL("", "amount DECIMAL(38,2) NOT NULL DEFAULT 1.50"), want: "the column is NOT NULL"},
		"TIMESTAMP NOT NULL":                {ddl: adviceDDL("", "last TIMESTAMP NOT NULL"), want: "the column is NOT NULL"},
		"a key that advances":               {ddl: adviceDDL("", "minute TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP"), want: "ON UPDATE CURRENT_TIMESTAMP"},
		"a plain TIMESTAMP key":             {ddl: adviceDDL("", "minute TIMESTAMP"), want: ""},
		"a nullable TIMESTAMP key":          {ddl: adviceDDL("", "minute TIMESTAMP NULL", "-", "UNIQUE KEY (minute, page)"), want: "can be NULL"},
		"an AUTO_INCREMENT total":           {ddl: adviceDDL("", "n BIGINT NOT NULL AUTO_INCREMENT", "KEY (n)"), want: "it is AUTO_INCREMENT"},
		"an unwritten column":               {ddl: adviceDDL("", "site VARCHAR(10) NOT NULL COMMENT 'which'"), want: "does not write this column"},
		"an unwritten TIMESTAMP":            {ddl: adviceDDL("", "made TIMESTAMP NOT NULL"), want: ""},
		"an unwritten key column":           {ddl: adviceDDL("", "-", "site INT NOT NULL", "PRIMARY KEY (site, minute, page)"), want: "does not write this column"},
		"system versioning":                 {ddl: adviceDDL("WITH SYSTEM VERSIONING"), want: "system-versioned", mariadb: true},
		"versioning by partitions":          {ddl: adviceDDL("WITH SYSTEM VERSIONING PARTITION BY SYSTEM_TIME (PARTITION h HISTORY, PARTITION c CURRENT)"), want: "system-versioned", mariadb: true},
		"versioning with columns":           {ddl: adviceDDL("WITH SYSTEM VERSIONING", "`from` TIMESTAMP(6) GENERATED ALWAYS AS ROW START", "`to` TIMESTAMP(6) GENERATED ALWAYS AS ROW END", "PERIOD FOR SYSTEM_TIME (`from`, `to`)"), want: "system-versioned", mariadb: true},
		"versioning with both":              {ddl: adviceDDL("WITH SYSTEM VERSIONING PARTITION BY SYSTEM_TIME (PARTITION h HISTORY, PARTITION c CURRENT)", "a TIMESTAMP(6) GENERATED ALWAYS AS ROW START INVISIBLE", "b TIMESTAMP(6) GENERATED ALWAYS AS ROW END INVISIBLE", "PERIOD FOR SYSTEM_TIME (a, b)"), want: "system-versioned", mariadb: true},
		"versioning by transactions":        {ddl: adviceDDL("WITH SYSTEM VERSIONING", "a BIGINT UNSIGNED GENERATED ALWAYS AS ROW START", "b BIGINT UNSIGNED GENERATED ALWAYS AS ROW END", "PERIOD FOR SYSTEM_TIME (a, b)"), want: "system-versioned", mariadb: true},
		"versioning of one column":          {ddl: adviceDDL("", "amount DECIMAL(38,2) NULL WITH SYSTEM VERSIONING"), want: "system-versioned", mariadb: true},
		"WITHOUT OVERLAPS":                  {ddl: adviceDDL("", "-", "s DATE NOT NULL DEFAULT '2000-01-01'", "e DATE NOT NULL DEFAULT '2100-01-01'", "PERIOD FOR p (s, e)", "PRIMARY KEY (minute, page, p WITHOUT OVERLAPS)"), want: "WITHOUT OVERLAPS", mariadb: true},
		"a unique key WITHOUT OVERLAPS":     {ddl: adviceDDL("", "s DATE NOT NULL DEFAULT '2000-01-01'", "e DATE NOT NULL DEFAULT '2100-01-01'", "PERIOD FOR p (s, e)", "UNIQUE KEY more (n, p WITHOUT OVERLAPS)"), want: "WITHOUT OVERLAPS", mariadb: true},
		"a trigger":                         {ddl: adviceDDL(""), more: []string{"CREATE TRIGGER `low``er` BEFORE INSERT ON hits FOR EACH ROW SET NEW.page = LOWER(NEW.page)"}, want: "trigger low`er sets NEW.page"},
		"a cascading foreign key":           {ddl: adviceDDL("", "CONSTRAINT one FOREIGN KEY (page) REFERENCES parent (page) ON DELETE CASCADE"), want: "ON DELETE CASCADE"},
		"a foreign key that writes NULL":    {ddl: adviceDDL("", "note VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NULL", "CONSTRAINT one FOREIGN KEY (note) REFERENCES parent (page) ON UPDATE SET NULL"), want: "ON UPDATE SET NULL"},
		"a foreign key":                     {ddl: adviceDDL("", "CONSTRAINT one FOREIGN KEY (page) REFERENCES parent (page)"), want: "records whose parent row is missing", warns: true},
		"RANGE without a catch-all":         {ddl: adviceDDL("PARTITION BY RANGE (TO_DAYS(minute)) (PARTITION a VALUES LESS THAN (TO_DAYS('2027-01-01')))"), want: "no partition takes all other values", warns: true},
		"RANGE COLUMNS without a catch-all": {ddl: adviceDDL("PARTITION BY RANGE COLUMNS (minute, page) (PARTITION a VALUES LESS THAN ('2027-01-01', 'a'))"), want: "no partition takes all other values", warns: true},
		"LIST without a catch-all":          {ddl: adviceDDL("PARTITION BY LIST (YEAR(minute)) (PARTITION a VALUES IN (2026))"), want: "no partition takes all other values", warns: true, mariadb: true},
	} {
		if !strings.Contains(test.ddl, having) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := open(t, server)
			if s := f.Version(t); test.mariadb && s.Dialect != pool.MariaDB {
				t.Skipf("NOT RUN: advice about %s: this server, %s, does not have it", name, s)
			}
			f.Exec(t, "CREATE TABLE parent (page VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin PRIMARY KEY)", test.ddl)
			f.Exec(t, test.more...)
			findings := func() []Finding {
				t.Helper()
				found := f.check(t, "hits", adviceTable())
				if test.warns {
					return found
				}
				return refusals(found)
			}
			if found := findings(); test.want != "" && !slices.ContainsFunc(found, func(x Finding) bool { return strings.Contains(x.Seen, test.want) && x.Warning == test.warns }) {
				t.Fatalf("got findings %v, expected one with %q", found, test.want)
			}
			f.follow(t, findings)
			if text := f.Text(t, "SHOW CREATE TABLE hits"); strings.Contains(test.ddl, "COMMENT") != strings.Contains(text, "COMMENT '") {
				t.Errorf("the advice lost or added a comment: %s", text)
			}
		})
	}
}

// follow runs the advice of all findings. The test fails if it is not SQL, or if findings remain.
func (f *fixture) follow(t *testing.T, findings func() []Finding) {
	t.Helper()
	found := findings()
	var ran []string
	for range 2 { // the other checks are skipped for a system-versioned table
		for _, x := range found {
			for text := range strings.SplitSeq(x.Do, "; ") {
				if first, _, _ := strings.Cut(text, " "); !slices.Contains([]string{"ALTER", "SET", "DROP"}, first) {
					t.Fatalf("the advice of %q is not SQL: %s", x.Seen, x.Do)
				}
				if !slices.Contains(ran, text) {
					f.Exec(t, text)
					ran = append(ran, text)
				}
			}
		}
		found = findings()
	}
	if len(found) != 0 {
		t.Errorf("after %q: got findings %v, expected none", ran, found)
	}
}
