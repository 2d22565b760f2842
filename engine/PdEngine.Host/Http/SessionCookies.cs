using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace PdEngine.Host;

/// <summary>
/// Cookies that stand for a key: what they open and until when, under a secret of this process. The key
/// itself is in none of them.
/// </summary>
internal sealed class SessionCookies(TimeProvider clock)
{
    public const string Name = "pdengine_session";
    private static readonly TimeSpan Lifetime = TimeSpan.FromHours(12);

    // Identifiers are drawn by the system's generator for secrets, on machines without OpenSSL too.
    private readonly byte[] _secret = Sha256.Of(
        [.. Enumerable.Range(0, 4).SelectMany(_ => Guid.NewGuid().ToByteArray())]);

    /// <summary>Sets one that opens so much.</summary>
    public void Give(HttpContext context, Access access)
    {
        long end = clock.GetUtcNow().Add(Lifetime).ToUnixTimeSeconds();
        string claim = string.Create(CultureInfo.InvariantCulture, $"{(int)access}.{end}");
        context.Response.Cookies.Append(Name, $"{claim}.{Sign(claim)}", new CookieOptions
        {
            HttpOnly = true, SameSite = SameSiteMode.Strict, Path = "/", MaxAge = Lifetime,
            Secure = context.Request.IsHttps,
        });
    }

    /// <summary>What the request's cookie opens.</summary>
    public Access AccessOf(HttpRequest request)
    {
        if (!request.Cookies.TryGetValue(Name, out string? cookie) || cookie is null)
            return Access.Open;
        int cut = cookie.LastIndexOf('.');
        if (cut < 0)
            return Access.Open;
        string claim = cookie[..cut];
        bool isOurs = CryptographicOperations.FixedTimeEquals(
            Encoding.UTF8.GetBytes(Sign(claim)), Encoding.UTF8.GetBytes(cookie[(cut + 1)..]));
        if (!isOurs)
            return Access.Open;
        string[] parts = claim.Split('.');
        long end = long.Parse(parts[1], CultureInfo.InvariantCulture);
        return end <= clock.GetUtcNow().ToUnixTimeSeconds()
            ? Access.Open
            : (Access)int.Parse(parts[0], CultureInfo.InvariantCulture);
    }

    private string Sign(string claim) =>
        Convert.ToHexStringLower(Sha256.Keyed(_secret, Encoding.UTF8.GetBytes(claim)));
}
