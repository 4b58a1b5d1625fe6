package schema

import (
	"slices"
	"testing"

	"github.com/sluice-etl/sluice/row"
)

// The columns that a trigger sets are found in its text. A trigger that only reads NEW is not reported.
func TestTrigger_assigned(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][]string{
		"SET NEW.n = 1":   {"n"},
		"set new.N=NEW.n": {"n"},
		"BEGIN IF NEW.n = 5 THEN SET NEW.`n` = 6, NEW.m = (SELECT MAX(a) FROM t), @x = NEW.z; END IF; END": {"n", "m"},
		"SET @x = 1, NEW.n = 2":                         {"n"},
		"SET /* NEW.a */ NEW /**/ . n = 1 -- , NEW.b\n": {"n"},
		"SET @a = ', NEW.b = 1', @b = \", NEW.c = 2\"":  nil,
		"/*!50003 SET NEW.n = 1 */":                     {"n"},
		"/*M!100000 SET NEW.n = 1 */":                   {"n"},
		"SET `NEW`.`a``b` = 1":                          {"a`b"},
		"CALL fix(NEW.n, 2)":                            nil,
		"INSERT INTO audit VALUES (CAST(NEW.path AS CHAR CHARACTER SET utf8mb4), CONCAT(NEW.host, NEW.day))":          nil,
		"UPDATE u SET a = a + 1 ORDER BY x, NEW.host LIMIT 1":                                                         nil,
		"INSERT INTO u SET a = 1, b = NEW.a":                                                                          nil,
		"BEGIN UPDATE u SET a = 1, b = NEW.q; SET NEW.n = 1; END":                                                     {"n"},
		"IF REPLACE(NEW.a, 'x', '') = '' THEN SET NEW.n = 1; END IF":                                                  {"n"},
		"IF NEW.a = 1 THEN UPDATE u SET a = 1, b = NEW.z; ELSE SET NEW.m = INSERT('a', 1, 1, 'b'), NEW.n = 1; END IF": {"m", "n"},
		"IF NEW.n < 0 THEN SIGNAL SQLSTATE '45000'; END IF":                                                           nil,
		"IF NEW.a = 1 AND NEW.b = 2 THEN SET @x = 3; END IF":                                                          nil,
		"UPDATE u SET a = NEW.a, b = f(NEW.b, NEW.c) WHERE c = NEW.d":                                                 nil,
		"INSERT INTO u VALUES (NEW.a, NEW.b) ON DUPLICATE KEY UPDATE a = NEW.a":                                       nil,
		"SET @x = CONCAT(NEW.a, NEW.b)":                                                                               nil,
		"BEGIN :NEW.n := 5; END":                                                                                      {"n"},
		"BEGIN DECLARE x INT; SET x = 1; SET NEW.updated = NOW(); END":                                                {"updated"},
		"SET @newer.n = 1": nil,
		"BEGIN UPDATE u SET a = 1; IF NEW.b = 2 THEN SET NEW.c = 3; END IF; SELECT 1 INTO @y; END": {"c"},
		"BEGIN DECLARE CONTINUE HANDLER FOR NOT FOUND SET NEW.n = 0; SELECT a INTO @x FROM u; END": {"n"},
		"FOR EACH ROW SET NEW.a = CASE WHEN NEW.b = 1 THEN 2 ELSE 3 END, NEW.d = 4":                {"a", "d"},
		"SET NEW.n = 'it''s', NEW.m = 'a\\'b', NEW.o = 1":                                          {"n", "m", "o"},
		"SET # NEW.x = 1\n NEW.n = 1": {"n"},
		"BEGIN IF NEW.n IS NULL THEN SET NEW.n = 0; END IF; CALL note(1); SET @z = f(NEW.q, NEW.r); END": {"n"},
	} {
		r := trigger{timing: "BEFORE", body: body}
		if got, _ := r.assigned(); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, expected %v", body, got, want)
		}
		r.timing = "AFTER"
		if got, _ := r.assigned(); got != nil {
			t.Errorf("AFTER %s: got %v, expected none", body, got)
		}
	}
	r := trigger{timing: "BEFORE", body: `SET "NEW"."n" = 1`, mode: "ANSI_QUOTES,STRICT_TRANS_TABLES"}
	if got, _ := r.assigned(); !slices.Equal(got, []string{"n"}) {
		t.Errorf("with ANSI_QUOTES: got %v, expected n", got)
	}
	r = trigger{timing: "BEFORE", body: `SET @s = 'C:\', NEW.n = 1 -- '`, mode: "NO_BACKSLASH_ESCAPES"}
	if got, _ := r.assigned(); !slices.Equal(got, []string{"n"}) {
		t.Errorf("with NO_BACKSLASH_ESCAPES: got %v, expected n", got)
	}
	r = trigger{timing: "BEFORE", body: "BEGIN CALL audit(NEW.path, NEW.hits); SET @x = NEW.n; END"}
	if _, passed := r.assigned(); !slices.Equal(passed, []string{"path", "hits"}) {
		t.Errorf("passed to a procedure: got %v, expected path and hits", passed)
	}
}

// The TRIGGER privilege is found at every level at which it can be granted.
func TestRights_seesTriggers(t *testing.T) {
	t.Parallel()
	table := row.Table{Name: "hits"}
	for line, want := range map[string]bool{
		"GRANT ALL PRIVILEGES ON *.* TO `a`@`%`":                           true,
		"GRANT SELECT, TRIGGER, UPDATE ON `my_site`.`hits` TO `a`@`%`":     true,
		"GRANT TRIGGER ON `my\\_site`.* TO `a`@`%`":                        true,
		"GRANT TRIGGER ON `my%`.* TO `a`@`%`":                              true,
		"GRANT TRIGGER ON `other`.* TO `a`@`%`":                            false,
		"GRANT TRIGGER ON `my_site`.`other` TO `a`@`%`":                    false,
		"GRANT SELECT, INSERT, UPDATE ON `my_site`.`hits` TO `a`@`%`":      false,
		"GRANT USAGE ON *.* TO `a`@`%` IDENTIFIED BY PASSWORD 'TRIGGER'":   false,
		"GRANT `role` TO `a`@`%`":                                          false,
		"GRANT ALL PRIVILEGES ON `my_site`.* TO `a`@`%` WITH GRANT OPTION": true,
	} {
		r := rights{database: "my_site", lines: []string{line}}
		if got := r.seesTriggers(&table); got != want {
			t.Errorf("%s: got %v, expected %v", line, got, want)
		}
	}
}
