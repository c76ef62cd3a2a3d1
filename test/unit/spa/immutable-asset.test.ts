import { describe, expect, it } from 'vitest';
import { isImmutableAsset } from '../../../src/spa/immutable-asset.ts';

describe('a file name with a content hash', () => {
  it.each([
    ['Vite', 'assets/index-BkY0aZ3f.js'],
    ['Vite, with a hyphen in it', 'assets/index-a-X_9bQz.css'],
    ['Vite, without a digit', 'assets/index-DwXgTcQa.js'],
    ['Vite, for old browsers', 'assets/polyfills-legacy-B7hD3kQ9.js'],
    ['webpack', 'assets/main.3f2a9c1b.js'],
    ['webpack, by default', 'assets/431.5a0c2f0cbd4d2e2f0c11.js'],
    ['esbuild', 'assets/index-3YQ6DPZK.js'],
    ['Parcel', 'assets/index.a1b2c3d4.js'],
    ['any, in a folder', 'app/assets/fonts/inter-BkY0aZ3f.woff2'],
    ['any, on Windows', 'assets\\fonts\\inter-BkY0aZ3f.woff2'],
  ])('is recognized as %s writes it: %s', (_who, path) => {
    expect(isImmutableAsset(path)).toBe(true);
  });
});

describe('a file name without a content hash', () => {
  it.each([
    'assets/my-logo-big.png',
    'assets/company-logotype.svg',
    'assets/inter-variable.woff2',
    'assets/Inter-SemiBold.woff2',
    'assets/Inter-Inter300.woff2',
    'assets/Inter-Light-VF.woff2',
    'assets/runtime-settings.json',
    'assets/hero.background.jpg',
    'assets/photo-IMG_1234.jpg',
    'assets/photo-2024-01-15.jpg',
    'assets/report-20240115.pdf',
    'assets/banner-1280x720.png',
    'assets/banner-1920x1080.png',
    'assets/terms-FACADEDD.pdf',
    'assets/cafe-facadede.svg',
    'assets/BkY0aZ3f.js',
    'assets/index-BkY0aZ3f',
    'index-BkY0aZ3f.js',
    'my-assets/index-BkY0aZ3f.js',
    'assets-BkY0aZ3f.js',
  ])('is recognized: %s', (path) => {
    expect(isImmutableAsset(path)).toBe(false);
  });
});
