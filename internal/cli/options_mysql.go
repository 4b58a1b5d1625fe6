package cli

import (
	"time"

	"github.com/sluice-etl/sluice/pool"
)

// MySQLOptions name the server, the credentials and the timeouts.
type MySQLOptions struct {
	MysqlDSN          string        `group:"mysql" common:"USER:PASSWORD@tcp(HOST:3306)/DB." name:"mysql-dsn" placeholder:"DSN" help:"Server in the DSN syntax of go-sql-driver, USER:PASSWORD@tcp(HOST:3306)/DB. Or use --mysql-host and the options after it."`
	MysqlDSNFile      string        `group:"mysql" common:"File with the DSN." name:"mysql-dsn-file" placeholder:"FILE" help:"File with the DSN. It is read again for each connection."`
	MysqlHost         string        `group:"mysql" placeholder:"HOST" help:"Host, or path of a Unix socket."`
	MysqlPort         int           `group:"mysql" default:"3306" help:"Port of --mysql-host."`
	MysqlUser         string        `group:"mysql" placeholder:"NAME" help:"User."`
	MysqlPassword     string        `group:"mysql" placeholder:"SECRET" help:"Password. Prefer --mysql-password-file, because other users can see the arguments of a process."`
	MysqlPasswordFile string        `group:"mysql" placeholder:"FILE" help:"File with the password. It is read again for each connection."`
	MysqlDatabase     string        `group:"mysql" placeholder:"NAME" help:"Database of the checkpoints, and of tables that the query names without a database."`
	MysqlTLS          string        `group:"mysql" name:"mysql-tls" placeholder:"MODE" help:"TLS mode as in MySQL's --ssl-mode: disabled, preferred, required, verify-ca or verify-identity."`
	MysqlTLSCA        string        `group:"mysql" name:"mysql-tls-ca" placeholder:"FILE" help:"PEM file with the certificate authorities of the server (default: the system's)."`
	MysqlTLSCert      string        `group:"mysql" name:"mysql-tls-cert" placeholder:"FILE" help:"PEM file with the client certificate."`
	MysqlTLSKey       string        `group:"mysql" name:"mysql-tls-key" placeholder:"FILE" help:"PEM file with the key of the client certificate."`
	MysqlConnections  int           `group:"mysql" default:"4" help:"Maximum concurrent transactions."`
	MysqlMaxIdleTime  time.Duration `group:"mysql" default:"0s" help:"Idle time after which a connection is closed; 0s is half of --mysql-idle-transaction."`
	MysqlMaxLifetime  time.Duration `group:"mysql" default:"5m" help:"Maximum age of a connection."`
	MysqlConnect      time.Duration `group:"mysql" name:"mysql-connect-timeout" default:"5s" help:"Timeout for connecting and authenticating."`
	MysqlLockWait     time.Duration `group:"mysql" default:"3s" help:"Lock wait timeout of a statement."`
	MysqlAnswer       time.Duration `group:"mysql" name:"mysql-answer-timeout" default:"5s" help:"Read timeout for MySQL replies."`
	MysqlIdle         time.Duration `group:"mysql" name:"mysql-idle-transaction" default:"10s" help:"How long the server keeps an idle transaction before it rolls it back."`
}

func (o MySQLOptions) config(rebalance time.Duration) pool.Config {
	return pool.Config{
		DSN: o.MysqlDSN, DSNFile: o.MysqlDSNFile,
		Host: o.MysqlHost, Port: o.MysqlPort, User: o.MysqlUser,
		Password: o.MysqlPassword, PasswordFile: o.MysqlPasswordFile, Database: o.MysqlDatabase,
		TLS: o.MysqlTLS, TLSCA: o.MysqlTLSCA, TLSCert: o.MysqlTLSCert, TLSKey: o.MysqlTLSKey,
		Connections: o.MysqlConnections, MaxIdleTime: o.MysqlMaxIdleTime, MaxLifetime: o.MysqlMaxLifetime,
		ConnectTimeout: o.MysqlConnect, LockWait: o.MysqlLockWait, Answer: o.MysqlAnswer,
		IdleTransaction: o.MysqlIdle, Rebalance: rebalance,
	}
}
