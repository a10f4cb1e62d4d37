// DATABASE_URL as libpq reads it: what each part and parameter becomes, and what is refused, with what to do instead.
import { userInfo } from 'node:os';
import { describe, expect, test } from 'vitest';
import {
  describeTarget,
  parsePostgresUrl,
  PostgresUrlError,
  tlsOptions,
} from '../../../src/app/database/internal.ts';

const plain = {
  host: 'h',
  address: { host: 'h', port: 5432 },
  port: 5432,
  user: 'u',
  password: '',
  database: 'd',
  sslmode: 'disable',
  sslnegotiation: null,
  tls: {},
  connectTimeoutMs: undefined,
  readWrite: false,
  startup: {},
};

describe('is taken', () => {
  test.each<[string, object]>([
    ['postgres://u@h/d', {}],
    ['postgresql://u:p@h:6432/d', { password: 'p', port: 6432, address: { host: 'h', port: 6432 } }],
    ['postgres://h', { user: userInfo().username, database: userInfo().username }],
    ['postgres://u@h', { database: 'u' }],
    ['postgres://u@h/my%20notes', { database: 'my notes' }],
    ['postgres://a%40b:p%3A%2Fq%25@h/d', { user: 'a@b', password: 'p:/q%' }],
    ['postgres://u:a:b@h/d', { password: 'a:b' }],
    ['postgres://u@/d', { host: 'localhost', address: { host: 'localhost', port: 5432 } }],
    ['postgres://u@[::1]:1/d', { host: '::1', port: 1, address: { host: '::1', port: 1 } }],
    ['postgres://u@%2Fvar%2Frun/d', { host: '/var/run', address: { path: '/var/run/.s.PGSQL.5432' } }],
    [
      'postgres:///d?host=/var/run&port=6&user=u',
      { host: '/var/run', port: 6, address: { path: '/var/run/.s.PGSQL.6' } },
    ],
    ['postgres://u@/d?host=h&sslmode=require', { sslmode: 'require' }],
    ['postgres://u@/d?host=/s&sslmode=require', { host: '/s', address: { path: '/s/.s.PGSQL.5432' } }],
    ['postgres://u@h/d?hostaddr=10.0.0.1', { address: { host: '10.0.0.1', port: 5432 } }],
    ['postgres://x:y@h/e?user=u&password=p%26&dbname=d', { password: 'p&' }],
    ['postgres://u@h/d?connect_timeout=3', { connectTimeoutMs: 3_000 }],
    ['postgres://u@h/d?connect_timeout=0', {}],
    [
      'postgres://u@h/d?application_name=my%20app&options=-c%20a%3Db',
      { startup: { application_name: 'my app', options: '-c a=b' } },
    ],
    ['postgres://u@h/d?sslmode=allow', { sslmode: 'prefer' }],
    ['postgres://u@h/d?ssl=true', { sslmode: 'require' }],
    ['postgres://u@h/d?sslmode=no-verify', { sslmode: 'require' }],
    ['postgres://u@h/d?sslmode=require&sslrootcert=ca', { sslmode: 'verify-ca', tls: { rootcert: 'ca' } }],
    ['postgres://u@h/d?sslrootcert=system', { sslmode: 'verify-full', tls: { rootcert: 'system' } }],
    [
      'postgres://u@h/d?sslmode=require&sslnegotiation=direct',
      { sslmode: 'require', sslnegotiation: 'direct' },
    ],
    ['postgres://u@h/d?channel_binding=prefer&gssencmode=disable&client_encoding=UTF8&keepalives_idle=5', {}],
    ['postgres://u@h/d?target_session_attrs=read-write', { readWrite: true }],
    ['postgres://u@h/d?target_session_attrs=any&passfile=', {}],
  ])('%s', (url, differs) => {
    expect(parsePostgresUrl(url)).toEqual({ ...plain, ...differs });
  });
});

describe('is refused', () => {
  test.each<[string, RegExp]>([
    ['mysql://h/d', /not of the form postgres:/],
    ['postgres://u@a,b/d', /several hosts/],
    ['postgres://u@h:1,i:2/d', /several hosts|its port/],
    ['postgres://u@h/d?host=a,b', /several hosts/],
    ['postgres://u@h:99999/d', /its port/],
    ['postgres://u:%zz@h/d', /the password has a percent sign .* write it as %25/],
    ['postgres://u@h/%00', /the name of the database has a NUL/],
    ['postgres://u@h/d?x', /parameter=value/],
    ['postgres://u@h/d?options=-c%20a=b', /parameter=value/],
    ['postgres://u@h/d?search_path=x', /does not know, "search_path"; .* options=-c%20name%3Dvalue/],
    [
      'postgres://u@h/d?channel_binding=require',
      /channel_binding is disable or prefer: the driver has no SCRAM-SHA-256-PLUS; sslmode=verify-full/,
    ],
    ['postgres://u@h/d?sslmode=verify_full', /sslmode is disable/],
    ['postgres://u@h/d?sslmode=verify-ca', /needs sslrootcert/],
    ['postgres://u@h/d?sslmode=require&sslrootcert=system', /needs sslmode=verify-full/],
    ['postgres://u@/d?host=/s&sslmode=verify-full', /is not possible over a socket/],
    ['postgres://u@h/d?sslnegotiation=direct', /needs sslmode=require/],
    ['postgres://u@h/d?require_auth=scram-sha-256', /require_auth is not supported/],
    ['postgres://u@h/d?requirepeer=postgres', /requirepeer is not supported/],
    ['postgres://u@h/d?gssencmode=require', /no GSSAPI/],
    ['postgres://u@h/d?target_session_attrs=standby', /the service writes/],
    ['postgres://u@h/d?service=x', /give host, database and user here/],
    ['postgres://u@h/d?connect_timeout=x', /whole number of seconds/],
    ['postgres://u@h/d?ssl_min_protocol_version=SSLv3', /TLSv1\.2 or TLSv1\.3/],
    ['postgres://u@/d?host=@abstract', /a socket without a file/],
  ])('%s', (url, told) => {
    expect(() => parsePostgresUrl(url)).toThrow(PostgresUrlError);
    expect(() => parsePostgresUrl(url)).toThrow(told);
  });
});

test('what the driver is told of TLS', () => {
  const of = (query: string) => tlsOptions(parsePostgresUrl(`postgres://u@h/d?${query}`));
  expect(of('')).toBe(false);
  expect(of('sslmode=prefer')).toBe('prefer');
  expect(of('sslmode=require')).toEqual({ rejectUnauthorized: false, servername: 'h' });
  expect(of('sslmode=verify-full&ssl_min_protocol_version=TLSv1.3')).toEqual({
    rejectUnauthorized: true,
    servername: 'h',
    minVersion: 'TLSv1.3',
  });
  expect(() => of('sslmode=verify-ca&sslrootcert=/no/such')).toThrow(/sslrootcert cannot be used: ENOENT/);
});

test('the operator is told where it is, without the password', () => {
  const told = (url: string) => describeTarget(parsePostgresUrl(url));
  expect(told('postgres://u:secret@h/my%20notes')).toBe('PostgreSQL at h:5432, database "my notes"');
  expect(told('postgres:///d?host=/var/run')).toBe('PostgreSQL at /var/run/.s.PGSQL.5432, database "d"');
});
