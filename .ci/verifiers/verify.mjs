// Verifies tokens with the libraries that Node services use; see verify.py.
import { readFileSync } from 'node:fs';
import { createPublicKey } from 'node:crypto';
import * as jose6 from 'jose';
import * as jose4 from 'jose4';
import jsonwebtoken from 'jsonwebtoken';

const { keys, tokens } = JSON.parse(readFileSync(0));
const failed = [];
const attempt = async (name, verify) => {
  try {
    await verify();
  } catch (error) {
    failed.push(`${name}: ${error.message}`);
  }
};
for (const [alg, token] of Object.entries(tokens)) {
  const { kid } = jose6.decodeProtectedHeader(token);
  await attempt(`jose 6 ${alg}`, () => jose6.jwtVerify(token, jose6.createLocalJWKSet(keys)));
  await attempt(`jose 4 ${alg}`, () => jose4.jwtVerify(token, jose4.createLocalJWKSet(keys)));
  if (alg !== 'EdDSA') {
    const key = keys.keys.find((k) => k.kid === kid && k.use === 'sig');
    await attempt(`jsonwebtoken ${alg}`, () => jsonwebtoken.verify(token, createPublicKey({ key, format: 'jwk' }), { algorithms: [alg] }));
  }
}
console.log(failed.join('\n'));
