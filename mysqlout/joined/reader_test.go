package joined

import (
	"errors"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/query"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Networks and values of all types are read from a server as the query declares them. A row that is not so fails the read,
// and leaves the rows that were read before.
func TestRead_networks(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, mariadbtest.Start(t))
	db.Exec(t, "CREATE TABLE geo (network VARCHAR(43) PRIMARY KEY, country CHAR(2), cost DECIMAL(6,2) NOT NULL, since DATETIME(3), n BIGINT UNSIGNED NOT NULL, share DOUBLE, note TEXT CHARACTER SET latin1)",
		"INSERT INTO geo VALUES ('10.0.0.0/8', 'AT', 1.50, '2026-01-02 03:04:05.678', 18446744073709551615, 0.25, 'é'), ('10.1.0.0/16', NULL, -2, NULL, 0, NULL, NULL)")
	plan := sqltest.Plan(t, "words", `CREATE TABLE geo (network VARCHAR(43) PRIMARY KEY, country CHAR(2), cost DECIMAL(6,2) NOT NULL, since DATETIME(3), n BIGINT UNSIGNED NOT NULL, share DOUBLE, note TEXT);
		INSERT INTO t SELECT word, country, cost, since, n, share, note FROM events JOIN geo ON IP_IN(word, network)`)
	r := New(DefaultConfig(), plan.Joined(), db.Pool, nil, nil)
	if err := r.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if _, err := query.DryRun(t.Context(), plan, []query.Input{{Name: "f", Reader: strings.NewReader("10.2.3.4 10.1.2.3 192.0.2.1")}}, &out, -1, strings.Clone); err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{
		"10.2.3.4  AT       1.50  2026-01-02 03:04:05.678  18446744073709551615   0.25  é",
		"10.1.2.3  NULL    -2.00  NULL                                        0   NULL  NULL",
	} {
		if !strings.Contains(strings.Join(strings.Fields(out.String()), " "), strings.Join(strings.Fields(row), " ")) {
			t.Errorf("got\n%s\nexpected the row %s", &out, row)
		}
	}

	before := plan.Joined()[0].Current()
	db.Exec(t, "INSERT INTO geo (network, cost, n) VALUES ('10.0.0.1/8', 0, 0)")
	err := r.Read(t.Context())
	if !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), `read the joined table geo: the row with network = "10.0.0.1/8": column network is "10.0.0.1/8", which is no network`) {
		t.Errorf("got %v, expected a refusal of the row", err)
	}
	if plan.Joined()[0].Current() != before || r.Failure() == nil {
		t.Errorf("after a failed read the version has changed, or the failure %v is not kept", r.Failure())
	}
	db.Exec(t, "DELETE FROM geo WHERE network = '10.0.0.1/8'")
	if err := r.Read(t.Context()); err != nil || plan.Joined()[0].Current() == before || r.Failure() != nil {
		t.Errorf("got %v and the failure %v, expected a new version", err, r.Failure())
	}
}
