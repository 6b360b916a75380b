/** Tiny streams, two frames each, made by scripts/make-hardware-samples.mjs; do not edit. */
const decode = (lines: readonly string[]) => Buffer.from(lines.join(''), 'base64');

/** By FFmpeg's name of the codec. */
export const HARDWARE_SAMPLES: Readonly<
  Record<'h264' | 'hevc' | 'vp9' | 'av1', Uint8Array>
> = {
  h264: decode([
    'AAAAAWdkAAyssgICtgIgAAADACAAAAZB4oVJAAAAAWjrwRLIsAAAAQYF//9t3EXpvebZSLeWLNgg',
    '2SPu73gyNjQgLSBjb3JlIDE2NCByMzA5NSBiYWVlNDAwIC0gSC4yNjQvTVBFRy00IEFWQyBjb2Rl',
    'YyAtIENvcHlsZWZ0IDIwMDMtMjAyMiAtIGh0dHA6Ly93d3cudmlkZW9sYW4ub3JnL3gyNjQuaHRt',
    'bCAtIG9wdGlvbnM6IGNhYmFjPTEgcmVmPTMgZGVibG9jaz0xOjA6MCBhbmFseXNlPTB4MzoweDEx',
    'MyBtZT1oZXggc3VibWU9NyBwc3k9MSBwc3lfcmQ9MS4wMDowLjAwIG1peGVkX3JlZj0xIG1lX3Jh',
    'bmdlPTE2IGNocm9tYV9tZT0xIHRyZWxsaXM9MSA4eDhkY3Q9MSBjcW09MCBkZWFkem9uZT0yMSwx',
    'MSBmYXN0X3Bza2lwPTEgY2hyb21hX3FwX29mZnNldD0tMiB0aHJlYWRzPTMgbG9va2FoZWFkX3Ro',
    'cmVhZHM9MSBzbGljZWRfdGhyZWFkcz0wIG5yPTAgZGVjaW1hdGU9MSBpbnRlcmxhY2VkPTAgYmx1',
    'cmF5X2NvbXBhdD0wIGNvbnN0cmFpbmVkX2ludHJhPTAgYmZyYW1lcz0wIHdlaWdodHA9MiBrZXlp',
    'bnQ9MjUwIGtleWludF9taW49MjUgc2NlbmVjdXQ9NDAgaW50cmFfcmVmcmVzaD0wIHJjX2xvb2th',
    'aGVhZD00MCByYz1jcmYgbWJ0cmVlPTEgY3JmPTMwLjAgcWNvbXA9MC42MCBxcG1pbj0wIHFwbWF4',
    'PTY5IHFwc3RlcD00IGlwX3JhdGlvPTEuNDAgYXE9MToxLjAwAIAAAAFliIQL//7x3PApb5jZwMwT',
    'AAbyk7hUpHMn5elNwwkjzut+fRt4idZl6dEnjL/fBSFrCCEWB58aBEfXZea8VVid98SSH56OsbP8',
    'rtPEkqg0O/XRslXhZMXpvsPBeJ0rDFzajtnu0NOlvk0ghHwPudWO1c4mQFfhuULE5CAqxv0xHbEK',
    'GaDlXHtRAlW1ATIZyD4dX/NGwTL67WlgEeUJfVl8jOmHQnB3xD4uw9KqoFju+As34u8zs+4m8PCA',
    'GfGgYQKf+/ovf61MJVR4GjY5DFMblpqF4h4eea2DyE6BSqL1UcplyJSTflxEbrMsEzTy1D4kddH5',
    'c+eywCjCRyw+c/ctS4gxUlIloRubSHaob9qQUuydKcoWXplcy3uAz1hjiznfEw1tHyCnCMxtJYd2',
    'RHiPOdWD69tHbpsbWz8xzDiuXeOlRFTuoEIVr8nOfXYDSCihnUpIZ7nhckfR605ghEw0PdQLDkCS',
    'b//9rhg/3HAQdn10hfeL9aB0ZDJMVEjbHuKx0EQ96KMNE6JL1QADZn+rI68xjX7ebt19bf1leWfG',
    'SON0FZQQkJqi5mfKH1PacXFExTdYgP5rvLzKNdgKMA19zc/5+VLLq9iJjS94acYHvsKhQckB5PGq',
    '2bsBoPOUm5KuwUpzmrBEgmsvoma0ebMs5LTHPwAAAAFBmjsQr+meGnc8nVJ9Tt4iruSxN4d0HXxl',
    '6fw5Rga8UxEr9YBajKoY',
  ]),
  hevc: decode([
    'AAAAAUABDAH//wFgAAADAJAAAAMAAAMAPJWYCQAAAAFCAQEBYAAAAwCQAAADAAADADygCAgKFllZ',
    'pJMrwFoCAAADAAIAAAMAMhAAAAABRAHBcrRiQAAAASgBrwlYh81YDAK+UJojhuOCehhrzHECyedV',
    'lGFzLJEZVu5NA4UTbpnF0y4T07m/b2o/viT4IPgQ8u3YaO9hyQUd/QNEJ9yNAAZw0AAAAwP9iHjn',
    'xkYvVmNNoskI9hExd3Cdw7hbIENPsRK6NpWTBX7AEKChEp4bYm9HluAsSZdKfXCyA2zCbeqQ4+Kl',
    'z+eCNbxAU+Qne24kAMU1mv8grL4tV/QoVxYm054IF5QFS+TT9gUEglpqJWRrAbcUY0v+7jzfQ2N3',
    '09mRPO6smTAlh+b3RDFndKfJp4IOnsgLVfHS+b8mHNcqqIcHz0PGb6YDG3Vf+MBn/sOvK9owfVCY',
    'WnlP+pf4hAAHI/XnJpZsxzjpr5nRnSB4iMtjhd74gxK+0bOVi1U6nUQweyiEzmba2QDPeRJNNOmK',
    'F8t+wUKINvroFoXTaQSl2Y4eCVsiG1hiVNtUYAC/1ZVisLpw9zfHEdUZGHwk6BPFKSXVF4zlIvIj',
    'vPAQ+Do2aN6mxQ6uwAVx1wAAAAECAdAJfhDGErInQP3Ljn6AViqTKj0jeSHL0APKZ/RM9N+U',
  ]),
  vp9: decode([
    'REtJRgAAIABWUDkwAAGgABkAAAABAAAAAgAAAAAAAADlAQAAAAAAAAAAAACCSYNCAA/wCfYIOCQc',
    'GIwAAmB/keO4w/uc9D3v0Ppbdft+DD7Lb//3uhE0jA72MAKtT5q8q0AAAGkwEkxHCspCG/5YwHWG',
    '+zNYIjSww8s9BOLV5dT3CbBEld3GhEKin7o7D5ySyW3vANHTf3v3EJC3nEo8s3qc+PPprUP9yAQt',
    'xvourW8X5mloeg/1VOjjOcJ1rEvSWftpAEA4FzKUd7Z16jPMnd+b60cJUrc9kKyMzBeGbUBqriKa',
    'cIOaZSOI4rC7a0FLe+b0ZL/eMb/tRnTQdXX0OYNv0Rd1yQRG/0Wf//k2sTfT7MGqS4r9xA4pnmIw',
    '90HuZdCRLc49PkjvNVmHM/GtoVxKlIQgz3w7pgCT4f87antCtsiFP0Eq1NqLKNj/87ltLDsM26pM',
    '726uv8EWj/0chQ/0G1WiyHSFM2BCSvuAAczi41ln/5B0/la52WTLStdWVedIvYA8morhRNplt2Q3',
    'gSGxKLq+w7x+5oesowzkltRXz3FG6R1MmyziiQ0LaRzPoqVYY8vXfpQibq80PL4kE+ZTcMzGB7AF',
    'elTJ45YCMSTBd7SetdZPk2Y8q1lKUUzPZwee64ABHSAswmDon0GnxChLAcOuvAOZS7VFlOtH7/gs',
    '74ejlMY6jBNK4v4FQBjIABMAAAABAAAAAAAAAIYAQJKcEFQAAAMgAABaM+Jo6gA=',
  ]),
  av1: decode([
    'REtJRgAAIABBVjAxAAGgABkAAAABAAAAAgAAAAAAAAAnAQAAAAAAAAAAAAASAAoLAAAAA7/8+bXy',
    'AIAylQIUACEYAAAgAAi0TMt/OwoG1icpkbSenzHMp6oYInmbf70CJ5jD1eifX1gH+OKElef70Sba',
    'eDTXZ6JJs+oyRBkWz8CRhQxblOl27Dqc6oyK0Eo6a/UYUwQ905B6Fo+M8YneuEKGhQFf56ogead6',
    'KF7/8tP1IuAcyeNm3YdMQLvfd+Y+66hrihjjlHOwR7bPfLgE4Q4Z1QbpQ3E/IlIe7r+creBnJ+Jt',
    'R6CRBIIJ5rUIGoYPdX0cBLhyNAIW+ZoGdUWlFuv1GFuEj7kxiqV3y+CSLHsgtPDJZcYLac6iqzan',
    'aDLRe97FTvBqxfx/uTlRzgPWApccfDSjnJtxo8CCSdzMpG/eTfSwNKwsHo45Me0ZahULlfSQGAAA',
    'AAEAAAAAAAAAEgAyFDMB4EAAAAaUAAAAoAAIAJkjvZwa',
  ]),
};
