import { describe, expect, test } from 'vitest'
import { canonicalHost, isAddress, isLocalAddress } from '../../src/catalog/local.ts'

describe('what is nearby', () => {
  test.each([
    '127.0.0.1', '127.255.255.254', '10.0.0.0', '10.255.255.255', '172.16.0.0', '172.31.255.255', '192.168.0.1', '169.254.169.254',
    '::1', '0:0:0:0:0:0:0:1', 'fc00::1', 'fdff:ffff::1', 'FD12:3456::1', 'fe80::1', 'febf::1', 'fe80::1%eth0', '[::1]',
    '::ffff:127.0.0.1', '::ffff:10.1.2.3', '::ffff:a01:203', '::ffff:192.168.1.1', '0:0:0:0:0:ffff:169.254.1.1',
  ])('%s is', address => expect(isLocalAddress(address)).toBe(true))

  test.each([
    '0.0.0.0', '126.255.255.255', '128.0.0.0', '9.255.255.255', '11.0.0.0', '172.15.255.255', '172.32.0.0', '192.167.255.255', '192.169.0.0', '169.253.255.255', '169.255.0.0',
    '100.64.0.1', '203.0.113.7', '192.0.2.1', '198.51.100.1', '8.8.8.8', '255.255.255.255', '224.0.0.1',
    '::', '::2', 'fbff::1', 'fe00::1', 'fe7f::1', 'fec0::1', 'ff02::1', '2001:db8::1', '2606:4700::1111', '64:ff9b::7f00:1', '2002:7f00:1::', '::127.0.0.1',
    '::ffff:8.8.8.8', '::ffff:0.0.0.0', '::ffff:100.64.0.1', '::fffe:127.0.0.1', 'localhost', 'gpu.example.internal', 'fd.example', '10.example', '', 'fd00',
  ])('%s is not', address => expect(isLocalAddress(address)).toBe(false))
})

test('one spelling for each host', () => {
  expect(['GPU.Example.internal.', '2001:DB8:0:0::1', '[2001:db8::1]', '::FFFF:203.0.113.7', '203.0.113.7', 'fe80::1%2'].map(canonicalHost))
    .toEqual(['gpu.example.internal', '2001:db8::1', '2001:db8::1', '203.0.113.7', '203.0.113.7', 'fe80::1'])
  expect(['', 'a/b', 'a b', '1::2::3', '999.0.0.1', 'user@host', 'host?x', 'a\\b'].map(canonicalHost)).toEqual(Array.from({ length: 8 }, () => undefined))
})

test('addresses and names', () => {
  expect(['1.2.3.4', '::1', '[fe80::1]'].every(isAddress)).toBe(true)
  expect(['localhost', 'a.example', '1.2.3.4.example', ''].some(isAddress)).toBe(false)
})
