package cli

import (
	"time"

	"github.com/sluice-etl/sluice/pool"
)

// MySQLOptions say which MySQL, who we are and how long we wait.
type MySQLOptions struct {
	MysqlDSN          string        `group:"mysql" name:"mysql-dsn" placeholder:"USER:PASSWORD@tcp(HOST:3306)/DB" help:"The server in go-sql-driver's form; or its parts, below."`
	MysqlDSNFile      string        `group:"mysql" name:"mysql-dsn-file" placeholder:"FILE" help:"File with the DSN, read again at each connection."`
	MysqlHost         string        `group:"mysql" placeholder:"HOST" help:"Host, or the path of a socket."`
	MysqlPort         int           `group:"mysql" default:"3306" help:"Port."`
	MysqlUser         string        `group:"mysql" placeholder:"NAME" help:"User."`
	MysqlPassword     string        `group:"mysql" placeholder:"SECRET" help:"Password. Better its file: others can see the arguments of a process."`
	MysqlPasswordFile string        `group:"mysql" placeholder:"FILE" help:"File with the password, read again at each connection."`
	MysqlDatabase     string        `group:"mysql" placeholder:"NAME" help:"Database of the checkpoints, and of tables that the query names without one."`
	MysqlTLS          string        `group:"mysql" name:"mysql-tls" placeholder:"MODE" help:"disabled, preferred, required, verify-ca or verify-identity, as MySQL's own --ssl-mode."`
	MysqlTLSCA        string        `group:"mysql" name:"mysql-tls-ca" placeholder:"FILE" help:"Authorities that sign the server, PEM; else the system's."`
	MysqlTLSCert      string        `group:"mysql" name:"mysql-tls-cert" placeholder:"FILE" help:"Our own certificate, PEM."`
	MysqlTLSKey       string        `group:"mysql" name:"mysql-tls-key" placeholder:"FILE" help:"The key of our certificate, PEM."`
	MysqlConnections  int           `group:"mysql" default:"4" help:"Transactions open at once."`
	MysqlMaxIdleTime  time.Duration `group:"mysql" default:"0s" help:"Idle time after which a connection is closed; 0 is half of --mysql-idle-transaction."`
	MysqlMaxLifetime  time.Duration `group:"mysql" default:"5m" help:"Age at which a connection is closed."`
	MysqlConnect      time.Duration `group:"mysql" name:"mysql-connect-timeout" default:"5s" help:"How long connecting and logging in may take."`
	MysqlLockWait     time.Duration `group:"mysql" default:"3s" help:"How long a statement waits for a row."`
	MysqlAnswer       time.Duration `group:"mysql" name:"mysql-answer-timeout" default:"5s" help:"How long the server may say nothing."`
	MysqlIdle         time.Duration `group:"mysql" name:"mysql-idle-transaction" default:"10s" help:"How long the server keeps a transaction whose client says nothing."`
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
