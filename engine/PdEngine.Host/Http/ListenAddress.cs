using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace PdEngine.Host;

/// <summary>Where a server listens, and whether it may.</summary>
internal static class ListenAddress
{
    /// <exception cref="OptionsException">It would be open to everybody who reaches this machine.</exception>
    public static void ThrowIfOpen(ServeOptions options)
    {
        if (options.Port is < 0 or > 65535)
            throw new OptionsException("--port", $"{options.Port} is not in 0 to 65535");
        if (IPAddress.IsLoopback(Parse(options.Host)) || options.ApiKey is not null || options.IsInsecure)
            return;
        throw new OptionsException("--host", $"'{options.Host}' can be reached from outside this machine, "
            + "and there is no key: give --api-key-file FILE or PDENGINE_API_KEY, or --insecure to let "
            + "everybody in");
    }

    public static void Listen(KestrelServerOptions kestrel, ServeOptions options) =>
        kestrel.Listen(Parse(options.Host), options.Port);

    /// <summary>Tries the address, so that a taken one is known before a model is loaded.</summary>
    /// <exception cref="OptionsException">It cannot be listened on.</exception>
    public static void ThrowIfTaken(ServeOptions options)
    {
        IPAddress address = Parse(options.Host);
        using Socket socket = new(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(address, options.Port));
        }
        catch (SocketException fault)
        {
            throw new OptionsException(
                "--port", $"cannot listen on {options.Host}:{options.Port}: {fault.Message}");
        }
    }

    private static IPAddress Parse(string host)
    {
        if (host.Equals("localhost", StringComparison.OrdinalIgnoreCase))
            return IPAddress.Loopback;
        return IPAddress.TryParse(host.Trim('[', ']'), out IPAddress? address)
            ? address
            : throw new OptionsException("--host", $"'{host}' is no IP address; give one, or localhost "
                + "(names that clients use go to --allowed-host)");
    }
}
