package containertest

import (
	"context"
	"fmt"

	"github.com/testcontainers/testcontainers-go"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
)

// MySQL starts a MySQL or MariaDB whose user mariadbtest.User has all privileges, and waits until it replies. The
// caller must close a container that is not nil, even if there is an error.
func MySQL(ctx context.Context, image string) (*Container, *mariadbtest.Server, error) {
	const password = "sluice-root"
	c, err := start(ctx, image, "3306/tcp",
		testcontainers.WithEnv(map[string]string{"MYSQL_ROOT_PASSWORD": password, "MYSQL_ROOT_HOST": "%"}),
		testcontainers.WithCmd("--skip-name-resolve", "--innodb-buffer-pool-size=64M", "--skip-log-bin"),
	)
	if err != nil {
		return c, nil, err
	}
	var root *mariadbtest.Server
	err = c.await(ctx, func() (err error) {
		root, err = mariadbtest.At(fmt.Sprintf("root:%s@tcp(%s)/", password, c.Addr))
		return err
	})
	if err != nil {
		return c, nil, err
	}
	err = root.Exec("",
		"CREATE USER '"+mariadbtest.User+"'@'%' IDENTIFIED BY '"+mariadbtest.Password+"'",
		"GRANT ALL PRIVILEGES ON *.* TO '"+mariadbtest.User+"'@'%' WITH GRANT OPTION")
	if err != nil {
		return c, nil, err
	}
	server, err := mariadbtest.At(fmt.Sprintf("%s:%s@tcp(%s)/", mariadbtest.User, mariadbtest.Password, c.Addr))
	return c, server, err
}
