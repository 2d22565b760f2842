using System.Globalization;
using System.Net;
using System.Net.Http.Headers;

namespace PdEngine.Host;

/// <summary>
/// Speaks Hugging Face's HTTP interface. Redirects are followed by hand: the token goes to the hub itself and
/// to nobody that it points to.
/// </summary>
internal sealed class HubClient : IDisposable
{
    private const int MostRedirects = 8;
    private const long MaxListingBytes = 64 << 20;

    private readonly Uri _endpoint;
    private readonly string? _token;
    private readonly HttpClient _http = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false, UseCookies = false, AutomaticDecompression = DecompressionMethods.None,
        ConnectTimeout = TimeSpan.FromSeconds(30),
    })
    {
        Timeout = Timeout.InfiniteTimeSpan,
    };

    /// <param name="endpoint">The hub, for example <c>https://huggingface.co</c>.</param>
    /// <param name="token">Sent to it alone; null for none.</param>
    /// <exception cref="OptionsException">It cannot be spoken to, or only by showing the token.</exception>
    public HubClient(string endpoint, string? token)
    {
        _token = token;
        if (!Uri.TryCreate(endpoint.TrimEnd('/') + "/", UriKind.Absolute, out Uri? address)
            || address.Scheme is not ("http" or "https") || address.UserInfo.Length > 0)
        {
            throw new OptionsException("--endpoint", $"'{endpoint}' is no http or https address");
        }
        if (token is not null && address.Scheme == "http" && !address.IsLoopback)
            throw new OptionsException("--endpoint", "a token is not sent over plain http; take https");
        if (address.Scheme == "https" && !Sha256.IsOpenSslThere)
            throw new OptionsException("--endpoint", "https needs OpenSSL: apt-get install libssl3");
        _endpoint = address;
    }

    /// <exception cref="HubFault">The hub does not give it.</exception>
    /// <exception cref="IOException">It is no listing.</exception>
    public async Task<HubListing> ListAsync(string repo, string revision, CancellationToken cancellation)
    {
        string path = $"api/models/{repo}/revision/{Uri.EscapeDataString(revision)}?blobs=true";
        using HttpResponseMessage answer =
            await GetAsync(new Uri(_endpoint, path), 0, null, cancellation).ConfigureAwait(false);
        using Stream body = await answer.Content.ReadAsStreamAsync(cancellation).ConfigureAwait(false);
        using MemoryStream json = new();
        byte[] buffer = new byte[1 << 16];
        int count;
        while ((count = await body.ReadAsync(buffer, cancellation).ConfigureAwait(false)) > 0)
        {
            json.Write(buffer, 0, count);
            if (json.Length > MaxListingBytes)
                throw new IOException($"the hub's listing has over {MaxListingBytes >> 20} MiB");
        }
        return HubListing.Parse(json.ToArray());
    }

    /// <summary>A file from some byte on; the answer may start at byte 0 all the same.</summary>
    /// <param name="repo">Owner and name.</param>
    /// <param name="commit">Of the repository.</param>
    /// <param name="name">The file's.</param>
    /// <param name="fromByte">The first that is wanted.</param>
    /// <param name="etag">What the bytes before it came as; null where that is not known.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="HubFault">The hub does not give it.</exception>
    public Task<HttpResponseMessage> OpenAsync(
        string repo, string commit, string name, long fromByte, EntityTagHeaderValue? etag,
        CancellationToken cancellation)
    {
        string path = string.Join('/', name.Split('/').Select(Uri.EscapeDataString));
        Uri address = new(_endpoint, $"{repo}/resolve/{commit}/{path}");
        return GetAsync(address, fromByte, etag, cancellation);
    }

    public void Dispose() => _http.Dispose();

    private async Task<HttpResponseMessage> GetAsync(
        Uri address, long fromByte, EntityTagHeaderValue? etag, CancellationToken cancellation)
    {
        for (int redirects = 0; redirects <= MostRedirects; redirects++)
        {
            using HttpRequestMessage request = new(HttpMethod.Get, address);
            request.Headers.UserAgent.ParseAdd("pdengine");
            if (_token is not null && IsHub(address))
                request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", _token);
            if (fromByte > 0)
            {
                request.Headers.Range = new RangeHeaderValue(fromByte, null);
                if (etag is { IsWeak: false })
                    request.Headers.IfRange = new RangeConditionHeaderValue(etag);
            }
            HttpResponseMessage answer = await _http.SendAsync(
                request, HttpCompletionOption.ResponseHeadersRead, cancellation).ConfigureAwait(false);
            if (answer.IsSuccessStatusCode)
                return answer;
            using (answer)
            {
                bool isRedirect = (int)answer.StatusCode is 301 or 302 or 303 or 307 or 308;
                if (!isRedirect || answer.Headers.Location is not { } location)
                    throw FaultOf(answer, address);
                Uri next = new(address, location);
                bool isPlainer = address.Scheme == "https" && next.Scheme == "http";
                if (isPlainer || next.Scheme is not ("http" or "https"))
                    throw new IOException($"{address.Host} points to '{next.Scheme}:'; it is not followed");
                address = next;
            }
        }
        throw new IOException($"the hub points from one place to another over {MostRedirects} times");
    }

    private bool IsHub(Uri address) => address.Scheme == _endpoint.Scheme && address.Port == _endpoint.Port
        && string.Equals(address.Host, _endpoint.Host, StringComparison.OrdinalIgnoreCase);

    private static HubFault FaultOf(HttpResponseMessage answer, Uri address)
    {
        TimeSpan? wait = answer.Headers.RetryAfter switch
        {
            { Delta: { } seconds } => seconds,
            { Date: { } date } => date - (answer.Headers.Date ?? date),
            _ => null,
        };
        string code = ((int)answer.StatusCode).ToString(CultureInfo.InvariantCulture);
        return new HubFault((int)answer.StatusCode, wait,
            $"{address.Host} answers {code} for {Shown.Line(address.AbsolutePath)}");
    }
}
