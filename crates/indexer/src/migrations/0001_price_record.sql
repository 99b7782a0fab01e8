-- Amounts and quantities are decimal text: no digit is lost, and SQLite has no wider integers.
-- The same statements run on SQLite and PostgreSQL.

-- One row: whose record this is.
CREATE TABLE chain (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    chain_id TEXT NOT NULL,
    genesis_hash TEXT NOT NULL
);

CREATE TABLE blocks (
    height BIGINT PRIMARY KEY,
    hash TEXT NOT NULL,
    time BIGINT NOT NULL
);

CREATE TABLE classes (
    class BIGINT PRIMARY KEY,
    first_height BIGINT NOT NULL
);

CREATE TABLE clearings (
    height BIGINT NOT NULL,
    log_index BIGINT NOT NULL,
    class BIGINT NOT NULL,
    delivery_window BIGINT NOT NULL,
    price TEXT NOT NULL,
    volume TEXT NOT NULL,
    low TEXT NOT NULL,
    high TEXT NOT NULL,
    PRIMARY KEY (height, log_index)
);
CREATE INDEX clearings_by_class ON clearings (class, height, log_index);
CREATE INDEX clearings_by_window ON clearings (class, delivery_window, height, log_index);

CREATE TABLE epochs (
    class BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    height BIGINT NOT NULL,
    open TEXT NOT NULL,
    high TEXT NOT NULL,
    low TEXT NOT NULL,
    close TEXT NOT NULL,
    volume TEXT NOT NULL,
    turnover TEXT NOT NULL,
    utilisation_bps BIGINT NOT NULL,
    index_price TEXT NOT NULL,
    printed BIGINT NOT NULL,
    PRIMARY KEY (class, epoch)
);

CREATE TABLE orders (
    id BIGINT PRIMARY KEY,
    owner TEXT NOT NULL,
    class BIGINT NOT NULL,
    delivery_window BIGINT NOT NULL,
    side BIGINT NOT NULL,
    price TEXT NOT NULL,
    quantity TEXT NOT NULL,
    remaining TEXT NOT NULL,
    min_fill TEXT NOT NULL,
    expires TEXT NOT NULL,
    placed_at BIGINT NOT NULL,
    amended_at BIGINT,
    closed_at BIGINT,
    close_reason BIGINT,
    refunded TEXT
);
CREATE INDEX orders_by_owner ON orders (owner, id);

CREATE TABLE order_fills (
    height BIGINT NOT NULL,
    log_index BIGINT NOT NULL,
    order_id BIGINT NOT NULL,
    price TEXT NOT NULL,
    quantity TEXT NOT NULL,
    remaining TEXT NOT NULL,
    PRIMARY KEY (height, log_index)
);
CREATE INDEX order_fills_by_order ON order_fills (order_id, height, log_index);

CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    renter TEXT NOT NULL,
    tasks BIGINT NOT NULL,
    lots BIGINT NOT NULL,
    escrow TEXT NOT NULL,
    submitted_at BIGINT NOT NULL,
    log_index BIGINT NOT NULL,
    lots_settled BIGINT NOT NULL,
    fuel TEXT NOT NULL,
    paid TEXT NOT NULL,
    closed_at BIGINT,
    outcome BIGINT,
    cause BIGINT,
    refunded TEXT
);
CREATE INDEX jobs_by_renter ON jobs (renter, submitted_at, log_index);
CREATE INDEX jobs_by_place ON jobs (submitted_at, log_index);
