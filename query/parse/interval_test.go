package parse

import "testing"

// INTERVAL before a list is a function, and before a number the number of units.
func TestSplit_intervalFunction(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"SELECT INTERVAL(a, 1, 2)":                                      "SELECT `INTERVAL`(a, 1, 2)",
		"SELECT interval /* , */ (f(a, ')'), 1)":                        "SELECT `interval` /* , */ (f(a, ')'), 1)",
		"SELECT d + INTERVAL (1) DAY, 2":                                "SELECT d + INTERVAL (1) DAY, 2",
		"SELECT d + INTERVAL f(a, 1) DAY":                               "SELECT d + INTERVAL f(a, 1) DAY",
		"SELECT d + INTERVAL (f(a, 1)) DAY":                             "SELECT d + INTERVAL (f(a, 1)) DAY",
		"SELECT d + INTERVAL '1,2' DAY, (3, 4)":                         "SELECT d + INTERVAL '1,2' DAY, (3, 4)",
		"SELECT my_interval(a, 1), `interval`(a, 'b')":                  "SELECT my_interval(a, 1), `interval`(a, 'b')",
		"SELECT INTERVAL( )":                                            "SELECT `INTERVAL`( )",
		"SELECT INTERVAL(a":                                             "SELECT INTERVAL(a",
		"SELECT TUMBLE(a, INTERVAL 1 DAY), INTERVAL(INTERVAL(a, 1), 2)": "SELECT TUMBLE(a, INTERVAL 1 DAY), `INTERVAL`(`INTERVAL`(a, 1), 2)",
	} {
		if got := Split(text); len(got) != 1 || got[0].Text != want {
			t.Errorf("%s\n  got       %+v\n  expected  %s", text, got, want)
		}
	}
}
