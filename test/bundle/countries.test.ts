/** Which codes are countries, and what is offered for what is none. */
import { iso31661, iso31662 } from 'iso-3166'
import { expect, test } from 'vitest'
import { countryName, countryOf, isCountry, nearestCountry } from '../../src/policy/countries.ts'

test('every current code is one, every reserved or withdrawn one is not', () => {
  expect(iso31661.filter(c => !isCountry(c.alpha2))).toEqual([])
  // Three counties of Norway ended with 2023; the list that the table is made of still has them.
  expect(iso31662.filter(s => !isCountry(s.code)).map(s => s.code)).toEqual(['NO-30', 'NO-38', 'NO-54'])
  expect(['NO', 'CA-QC', 'NO-31', 'XK', 'UK', 'EU', 'EL', 'SU', 'no', 'ca-qc', 'CA-', 'FRA', '', 'constructor'].filter(isCountry)).toEqual(['NO', 'CA-QC', 'NO-31'])
})

test('a part lies in its country and has its name', () => {
  expect([countryOf('CA-QC'), countryOf('FR')]).toEqual(['CA', 'FR'])
  expect([countryName('CA-QC'), countryName('NO'), countryName('UK')]).toEqual(['Canada, CA-QC', 'Norway', undefined])
})

test('what people write instead leads to the code they meant, and nonsense to none', () => {
  expect(['no', 'UK', 'EL', 'deu', 'Germany', 'türkiye', 'ca_qc', 'usa', "cote d'ivoire"].map(nearestCountry)).toEqual(['NO', 'GB', 'GR', 'DE', 'DE', 'TR', 'CA-QC', 'US', 'CI'])
  expect(['EU', 'XX', 'eea', '', 'toString'].map(nearestCountry)).toEqual([undefined, undefined, undefined, undefined, undefined])
})
