//go:build integration

package integration

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-etl/sluice/internal/etltest"
	"github.com/sluice-etl/sluice/internal/jvmtest"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
)

// rightsSite is a Kafka with its StandardAuthorizer, and an etl that logs in as a user.
type rightsSite struct {
	kafka *jvmtest.SecuredBroker
	adm   *kadm.Client
	mysql []string // options
	login []string
	query string
}

// check returns the rights that `etl check` reports as missing, in its order, and its whole output.
func (s *rightsSite) check(ctx context.Context, t *testing.T, more ...string) (missing []string, all string) {
	t.Helper()
	args := slices.Concat([]string{"check", "--query=" + s.query}, s.login, s.mysql, more)
	out, _ := exec.CommandContext(ctx, etlBinary, args...).CombinedOutput()
	for _, m := range regexp.MustCompile(`Kafka does not allow ([^;]*);`).FindAllStringSubmatch(string(out), -1) {
		missing = append(missing, m[1])
	}
	return missing, string(out)
}

var operations = map[string]kadm.ACLOperation{
	"Read": kadm.OpRead, "Write": kadm.OpWrite, "Describe": kadm.OpDescribe, "DescribeConfigs": kadm.OpDescribeConfigs, "Create": kadm.OpCreate,
}

// grant gives the user etl one right: topic or group, its name, and the operation in the spelling of Kafka's own tool.
func (s *rightsSite) grant(ctx context.Context, t *testing.T, kind, name, operation string) {
	t.Helper()
	op, ok := operations[operation]
	if !ok {
		t.Fatalf("unknown operation %q", operation)
	}
	b := kadm.NewACLs().Allow("User:etl").AllowHosts("*").Operations(op).ResourcePatternType(kadm.ACLPatternLiteral)
	if kind == "group" {
		b.Groups(name)
	} else {
		b.Topics(name)
	}
	results, err := s.adm.CreateACLs(ctx, b)
	for _, r := range results {
		if err == nil {
			err = r.Err
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// revokeAll revokes every right.
func (s *rightsSite) revokeAll(ctx context.Context, t *testing.T) {
	t.Helper()
	b := kadm.NewACLs().Allow("User:etl").AllowHosts("*").Operations(kadm.OpAny).ResourcePatternType(kadm.ACLPatternAny).AnyResource()
	if _, err := s.adm.DeleteACLs(ctx, b); err != nil {
		t.Fatal(err)
	}
}

func get(ctx context.Context, url string) (int, string) { return ask(ctx, http.MethodGet, url, "") }

func ask(ctx context.Context, method, url, body string) (int, string) {
	q, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		return 0, err.Error()
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return 0, err.Error()
	}
	return r.StatusCode, string(text)
}

// TestReal_Rights grants a user's rights one by one in a real Kafka with its StandardAuthorizer: each time the check,
// readiness and replies name what is missing, and running processes work as soon as the rights are granted. Exactly the
// documented ACLs suffice, end to end.
func TestReal_Rights(t *testing.T) {
	jvmtest.Need(t, jvmtest.Kafka)
	ctx := etltest.Bounded(t, 4*time.Minute)
	server, err := mariadbtest.New(mariadbtest.Private())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	schema, err := server.CreateDatabase()
	if err != nil {
		t.Fatal(err)
	}
	kafka := jvmtest.StartSecuredBroker(t, map[string]string{"etl": "secret"})
	cl, err := kgo.NewClient(kgo.SeedBrokers(kafka.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	s := &rightsSite{
		kafka: kafka, adm: kadm.NewClient(cl),
		login: []string{"--kafka-brokers=" + kafka.Secured(), "--kafka-sasl=PLAIN", "--kafka-user=etl", "--kafka-password=secret", "--kafka-lag-interval=200ms", "--kafka-replication=1"},
		mysql: []string{"--mysql-dsn=" + server.DSN(schema), "--job=etl", "--format=json"},
		query: "INSERT INTO seen SELECT COALESCE(who, '') AS who, COUNT(*) AS n FROM events GROUP BY COALESCE(who, '')",
	}
	if _, err := s.adm.CreateTopics(ctx, 3, 1, nil, "logs", "logs.dlq"); err != nil {
		t.Fatal(err)
	}
	dir, receiver := t.TempDir(), etltest.FreeAddr(t)
	ingest := etltest.Start(t, etlBinary, dir, "", append([]string{"ingest", "--avro-listen=", "--http-listen=" + receiver}, s.login...)...)
	load := etltest.Start(t, etlBinary, dir, "", slices.Concat([]string{"load", "--query=" + s.query, "--batch-interval=200ms"}, s.login, s.mysql)...)
	post := func() (int, string) {
		return ask(ctx, http.MethodPost, "http://"+receiver+"/", `[{"body":"{\"who\":\"a\"}"}]`)
	}
	says := func(p *etltest.Process, what string) {
		t.Helper()
		var body string
		defer func() {
			if t.Failed() {
				t.Log(body)
			}
		}()
		etltest.Await(ctx, t, "/readyz is 503 and says "+what, func() bool {
			var code int
			code, body = get(ctx, "http://"+p.Admin()+"/readyz")
			return code == http.StatusServiceUnavailable && strings.Contains(body, `Kafka does not allow `+what+`"`)
		})
	}
	replies := func(what string) {
		t.Helper()
		etltest.Await(ctx, t, "a reply is 503 and says "+what, func() bool {
			code, body := post()
			return code == http.StatusServiceUnavailable && strings.Contains(body, what)
		})
	}
	ready := func(p *etltest.Process) {
		t.Helper()
		etltest.Await(ctx, t, "/readyz is 200", func() bool { return p.Ready(ctx) })
	}
	acknowledged := 0
	acknowledge := func() {
		t.Helper()
		etltest.Await(ctx, t, "an event is acknowledged", func() bool { code, _ := post(); return code == http.StatusOK })
		acknowledged++
	}
	missing := func(want ...string) {
		t.Helper()
		etltest.Await(ctx, t, fmt.Sprintf("etl check finds missing %q", want), func() bool { // an ACL takes a moment to be in force
			got, _ := s.check(ctx, t)
			return slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want)))
		})
	}
	const configs, dlqConfigs = "DESCRIBE_CONFIGS on topic logs", "DESCRIBE_CONFIGS on topic logs.dlq"

	missing("DESCRIBE on topic logs", "WRITE on topic logs", "READ on topic logs", "DESCRIBE on topic logs.dlq", "WRITE on topic logs.dlq", "READ on group etl", configs, dlqConfigs)
	says(ingest, "DESCRIBE on topic logs, WRITE on topic logs, DESCRIBE on topic logs.dlq, WRITE on topic logs.dlq")
	says(load, "DESCRIBE on topic logs, READ on topic logs, READ on group etl")
	s.grant(ctx, t, "topic", "logs", "Describe")
	missing("WRITE on topic logs", "READ on topic logs", "DESCRIBE on topic logs.dlq", "WRITE on topic logs.dlq", "READ on group etl", configs, dlqConfigs)
	s.grant(ctx, t, "topic", "logs.dlq", "Describe")
	missing("WRITE on topic logs", "READ on topic logs", "WRITE on topic logs.dlq", "READ on group etl", configs, dlqConfigs)
	says(ingest, "WRITE on topic logs, WRITE on topic logs.dlq")
	replies("CLUSTER_AUTHORIZATION_FAILED")
	s.grant(ctx, t, "topic", "logs.dlq", "Write")
	missing("WRITE on topic logs", "READ on topic logs", "READ on group etl", configs, dlqConfigs)
	replies("TOPIC_AUTHORIZATION_FAILED")
	s.grant(ctx, t, "topic", "logs", "Write")
	missing("READ on topic logs", "READ on group etl", configs, dlqConfigs)
	ready(ingest)
	acknowledge()
	says(load, "READ on topic logs, READ on group etl")
	s.grant(ctx, t, "group", "etl", "Describe")
	missing("READ on topic logs", "READ on group etl", configs, dlqConfigs)
	s.grant(ctx, t, "group", "etl", "Read")
	missing("READ on topic logs", configs, dlqConfigs)
	says(load, "READ on topic logs")
	s.grant(ctx, t, "topic", "logs", "Read")
	missing(configs, dlqConfigs)
	ready(load)
	s.grant(ctx, t, "topic", "logs", "DescribeConfigs")
	s.grant(ctx, t, "topic", "logs.dlq", "DescribeConfigs")
	missing()

	s.revokeAll(ctx, t)
	says(ingest, "DESCRIBE on topic logs, WRITE on topic logs, DESCRIBE on topic logs.dlq, WRITE on topic logs.dlq")
	says(load, "DESCRIBE on topic logs, READ on topic logs, READ on group etl")
	replies("TOPIC_AUTHORIZATION_FAILED")
	for _, acl := range documented(t) {
		s.grant(ctx, t, acl[0], acl[1], acl[2])
	}
	missing()
	ready(ingest)
	ready(load)
	acknowledge()
	large := `[{"body":"` + strings.Repeat("x", 2<<20) + `"}]`
	etltest.Await(ctx, t, "a dead letter is acknowledged", func() bool {
		code, _ := ask(ctx, http.MethodPost, "http://"+receiver+"/", large)
		return code == http.StatusOK
	})
	db := open(t, server, schema)
	etltest.Await(ctx, t, "every acknowledged event is counted", func() bool {
		return readNumber(ctx, db, "SELECT COALESCE(SUM(n), 0) FROM seen") >= int64(acknowledged)
	})
	for _, operation := range []string{"Write", "Read", "DescribeConfigs"} {
		s.grant(ctx, t, "topic", "fresh", operation)
		s.grant(ctx, t, "topic", "fresh.dlq", operation)
	}
	missing = func(want ...string) {
		t.Helper()
		etltest.Await(ctx, t, fmt.Sprintf("with a missing topic etl check finds missing %q", want), func() bool {
			got, _ := s.check(ctx, t, "--kafka-topic=fresh")
			return slices.Equal(got, want)
		})
	}
	missing("CREATE on topic fresh, which is missing", "CREATE on topic fresh.dlq, which is missing")
	s.grant(ctx, t, "topic", "fresh", "Create")
	s.grant(ctx, t, "topic", "fresh.dlq", "Create")
	missing()
	ingest.Stop(ctx, t)
	load.Stop(ctx, t)
}

// documented returns the ACLs of docs/security.md: topic or group, name, operation.
func documented(t *testing.T) (acls [][3]string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range regexp.MustCompile(`(?m)^    kafka-acls\.sh .*--allow-principal User:etl (.*) --(topic|group) (\S+)$`).FindAllStringSubmatch(string(text), -1) {
		for _, op := range regexp.MustCompile(`--operation (\w+)`).FindAllStringSubmatch(line[1], -1) {
			acls = append(acls, [3]string{line[2], line[3], op[1]})
		}
	}
	if len(acls) != 7 {
		t.Fatalf("docs/security.md has %d ACLs, expected 7: %q", len(acls), acls)
	}
	return acls
}

// open opens a database of the server.
func open(t *testing.T, server *mariadbtest.Server, schema string) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", server.DSN(schema))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}
