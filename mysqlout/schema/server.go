package schema

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/sluice-etl/sluice/mysqlout/internal/sqlerr"
	"github.com/sluice-etl/sluice/pool"
)

// leastPacket is the smallest max_allowed_packet that fits every statement which cannot be split or shortened: those
// with the longest names of a job, a topic and a table.
const leastPacket = 16 << 10

// checkServer checks the server's own settings.
func checkServer(ctx context.Context, tx *pool.Tx, out *Report) error {
	const server = "the server"
	refuse := func(seen, do string) {
		out.Findings = append(out.Findings, Finding{Subject: server, Seen: seen, Do: do})
	}
	if name := strings.ToLower(tx.Server.Version + tx.Server.Comment); strings.Contains(name, "vitess") {
		refuse("it is Vitess, which commits each shard by itself", "write to a MySQL or MariaDB that is not sharded")
		return nil
	}
	if tx.Server.Dialect == pool.Embedded {
		return nil
	}
	v, err := variables(ctx, tx, "max_allowed_packet", "log_bin", "binlog_format", "wsrep_on", "wsrep_cluster_address",
		"group_replication_single_primary_mode", "innodb_flush_log_at_trx_commit", "version_comment")
	if err != nil {
		return err
	}
	if n, err := strconv.Atoi(v["max_allowed_packet"]); err == nil {
		out.Packet = n
		if n < leastPacket {
			refuse(fmt.Sprintf("max_allowed_packet is %d bytes, must be at least %d: claims and dead letters do not fit", n, leastPacket),
				"raise it; 16 MiB or more is usual")
		}
	}
	if v["log_bin"] == "ON" && v["binlog_format"] == "STATEMENT" {
		refuse("binlog_format is STATEMENT, which READ COMMITTED cannot write (error 1665)", "set it to ROW")
	}
	// With at most one address there is one node. In a cluster of several, each node accepts writes.
	if v["wsrep_on"] == "ON" && strings.Trim(strings.TrimPrefix(v["wsrep_cluster_address"], "gcomm://"), " ") != "" {
		refuse("it is a node of a Galera cluster, where several nodes accept writes and lose each other's updates",
			"write to a server outside the cluster, or to asynchronous replication with one primary")
	}
	if v["group_replication_single_primary_mode"] == "OFF" {
		refuse("group replication runs with several primaries", "set group_replication_single_primary_mode to ON")
	}
	if n := v["innodb_flush_log_at_trx_commit"]; n != "" && n != "1" {
		out.Findings = append(out.Findings, Finding{Warning: true, Subject: server,
			Seen: "innodb_flush_log_at_trx_commit is " + n + ": after a power failure the tables may be in an older state, but a consistent one",
			Do:   "set it to 1 if Kafka may delete records before they could be read again"})
	}
	out.Findings = append(out.Findings, filters(ctx, tx)...)
	return nil
}

// filters warns of replication filters. The user may lack the privilege to see them.
func filters(ctx context.Context, tx *pool.Tx) []Finding {
	text := "SHOW MASTER STATUS"
	if tx.Server.Dialect == pool.MySQL && tx.Server.AtLeast(8, 4) {
		text = "SHOW BINARY LOG STATUS"
	}
	filtered := false
	_ = tx.Query(ctx, text, func(scan func(...any) error) error {
		var file, at, do, ignore, more string
		if scan(&file, &at, &do, &ignore, &more) != nil && scan(&file, &at, &do, &ignore) != nil {
			return nil
		}
		filtered = do != "" || ignore != ""
		return nil
	})
	if !filtered {
		return nil
	}
	return []Finding{{Warning: true, Subject: "the server",
		Seen: "it filters what it replicates: a replica that has only the targets, or only etl_checkpoint, must never be promoted",
		Do:   "replicate them together"}}
}

// ServerName distinguishes the server from its replicas and from copies of it, as far as it has a name and an
// identifier of its own. It is empty for the embedded server.
func (c *Checker) ServerName(ctx context.Context) (string, error) {
	const doing = "read the server's name"
	tx, err := c.pool.Tx(ctx, pool.PriorityHigh)
	if err != nil {
		return "", sqlerr.Classify(doing, err)
	}
	defer tx.Rollback(ctx)
	if tx.Server.Dialect == pool.Embedded {
		return "", nil
	}
	// A copied data directory has the server_uuid of the original (MySQL), and MariaDB may have no identifier.
	v, err := variables(ctx, tx, "hostname", "port", "server_uuid", "server_uid")
	if err != nil {
		return "", sqlerr.Classify(doing, err)
	}
	return strings.TrimSpace(v["hostname"] + ":" + v["port"] + " " + v["server_uuid"] + v["server_uid"]), nil
}
