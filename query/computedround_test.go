package query

import "testing"

// The SQL rounds to as many digits as the query says, also where the number exceeds 64 bits.
func TestComputed_digitsBeyond64Bits(t *testing.T) {
	t.Parallel()
	for item, want := range map[string]string{
		"ROUND(SUM(bytes) / 7, 18446744073709551616)":       "x(30) = TRUNCATE((CAST(`b` AS DECIMAL(65,9)) / 7), 9)",
		"ROUND(SUM(bytes) + 0.5, 18446744073709551616)":     "x(30) = (CAST(`b` AS DECIMAL(65,0)) + 0.5)",
		"TRUNCATE(SUM(bytes) + 0.5, -18446744073709551616)": "x(0) = TRUNCATE((CAST(`b` AS DECIMAL(65,0)) + 0.5), -38)",
	} {
		got := columnsOf(t, plan(t, "combined", "INSERT INTO t SELECT host, SUM(bytes) AS b, "+item+" AS x FROM events GROUP BY host"))
		if last := got[len(got)-1]; last != want {
			t.Errorf("%s:\n  got       %s\n  expected  %s", item, last, want)
		}
	}
}
