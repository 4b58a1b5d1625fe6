package schema

import (
	"errors"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/pool"
)

// Features that only some servers have. The server that the tests start themselves is one of them; the others are those
// of the container tier (MySQL 5.7, 8.0 and later, MariaDB 11). Each advice is run as in
// TestCheck_adviceFixesTheTable.
func TestCheck_featuresOfSomeServers(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	mysql := func(major, minor int) func(pool.Server) bool {
		return func(s pool.Server) bool { return s.Dialect == pool.MySQL && s.AtLeast(major, minor) }
	}
	maria := func(major, minor int) func(pool.Server) bool {
		return func(s pool.Server) bool { return s.Dialect == pool.MariaDB && s.AtLeast(major, minor) }
	}
	for name, test := range map[string]struct {
		on    func(pool.Server) bool
		ddl   string
		want  string // text of a refusal, empty if there is none
		until int64  // the last instant of column last, 0 if it does not matter
	}{
		"an expression as a unique key": {on: mysql(8, 0), ddl: adviceDDL("", "UNIQUE KEY low ((LOWER(page)))"), want: "is not the query's key"},
		"an invisible id": {on: mysql(8, 0), want: "is not the query's key",
			ddl: adviceDDL("", "-", "my_row_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT INVISIBLE", "PRIMARY KEY (my_row_id, minute)", "UNIQUE KEY (minute, page)")},
		"an expression as default":      {on: mysql(8, 0), ddl: adviceDDL("", "n INT NOT NULL DEFAULT (1 + 1)"), want: "would outgrow"},
		"the default collation":         {on: mysql(8, 0), ddl: adviceDDL("", "page VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci NOT NULL"), want: "different values are equal"},
		"a binary collation":            {on: mysql(5, 7), ddl: adviceDDL("", "page VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL"), want: "different values are equal"},
		"RANGE partitions":              {on: mysql(5, 7), ddl: adviceDDL("PARTITION BY RANGE COLUMNS (minute) (PARTITION a VALUES LESS THAN ('2027-01-01'))")},
		"the default collation, 11":     {on: maria(11, 0), ddl: adviceDDL("", "page VARCHAR(200) CHARACTER SET utf8mb4 NOT NULL"), want: "different values are equal"},
		"a UUID":                        {on: maria(10, 7), ddl: adviceDDL("", "page UUID NOT NULL"), want: "must be VARCHAR"},
		"a TIMESTAMP until 2106":        {on: maria(11, 5), ddl: adviceDDL("", "last TIMESTAMP NULL"), until: last2106},
		"a TIMESTAMP until 2038, MySQL": {on: mysql(5, 7), ddl: adviceDDL("", "last TIMESTAMP NULL"), until: last2038},
		"a TIMESTAMP until 2038": {on: func(s pool.Server) bool { return s.Dialect == pool.MariaDB && !s.AtLeast(11, 5) },
			ddl: adviceDDL("", "last TIMESTAMP NULL"), until: last2038},
		// MySQL 5.7 gives the first TIMESTAMP NOT NULL implicit attributes that later servers require to be written.
		"a first TIMESTAMP": {on: func(s pool.Server) bool { return s.Dialect == pool.MySQL && !s.AtLeast(8, 0) },
			ddl: adviceDDL("", "minute TIMESTAMP NOT NULL"), want: "ON UPDATE CURRENT_TIMESTAMP"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := open(t, server)
			if s := f.Version(t); !test.on(s) {
				t.Skipf("NOT RUN: check of %s: this server, %s, does not have it", name, s)
			}
			f.Exec(t, test.ddl)
			var seen string
			for range 2 {
				for _, x := range refusals(f.check(t, "hits", adviceTable())) {
					seen += x.String() + "\n"
					f.Exec(t, strings.Split(x.Do, "; ")...)
				}
			}
			if test.want == "" && seen != "" || !strings.Contains(seen, test.want) {
				t.Fatalf("got refusals %q, expected %q", seen, test.want)
			}
			if last := f.accepted(t, adviceTable())[0].Column("last"); test.until != 0 && last.MaxInt != test.until {
				t.Errorf("the last instant is %d, expected %d", last.MaxInt, test.until)
			}
		})
	}
}

// The advice also fixes the job's own tables.
func TestCheck_adviceForOwnTables(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	for name, test := range map[string]struct{ harm, want string }{
		"no key":        {"ALTER TABLE etl_checkpoint DROP PRIMARY KEY", "its primary key is ()"},
		"another key":   {"ALTER TABLE etl_target DROP PRIMARY KEY, ADD PRIMARY KEY (table_name, job)", "its primary key is (table_name, job)"},
		"no column":     {"ALTER TABLE etl_checkpoint DROP COLUMN skipped", "there is no such column"},
		"engine":        {"ALTER TABLE etl_target ENGINE=MyISAM", "its engine is MyISAM"},
		"collation":     {"ALTER TABLE etl_checkpoint MODIFY job VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL", "in which different names are equal"},
		"trigger":       {"CREATE TRIGGER `a``b` BEFORE UPDATE ON etl_checkpoint FOR EACH ROW SET NEW.counted = 0", "its trigger a`b changes"},
		"an older form": {"ALTER TABLE etl_dead_letter DROP COLUMN detail", "there is no such column"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := open(t, server)
			f.Exec(t, test.harm)
			for _, want := range []string{test.want, ""} {
				seen := ""
				for _, x := range f.check(t, "etl_") {
					seen += x.String()
					f.Exec(t, x.Do)
				}
				if want == "" && seen != "" || !strings.Contains(seen, want) {
					t.Errorf("got %q, expected %q", seen, want)
				}
			}
		})
	}
}

// Two servers have different names, even with the same content; a server keeps its own name.
func TestP1_serverName(t *testing.T) {
	t.Parallel()
	f, other := open(t, mariadbtest.Start(t)), open(t, mariadbtest.Start(t, mariadbtest.Private()))
	name, err := f.checker.ServerName(t.Context())
	again, err2 := New(Options{Job: "job"}, f.Pool, nil).ServerName(t.Context())
	theirs, err3 := other.checker.ServerName(t.Context())
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatal(err)
	}
	if len(name) < 3 || name != again || name == theirs {
		t.Errorf("got %q, %q again, %q for another server", name, again, theirs)
	}
}
