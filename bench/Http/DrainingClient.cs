using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace PdEngine.Bench;

/// <summary>
/// Clients that cost next to nothing, for they share the cores with the server: one thread sends all
/// requests, then every few milliseconds empties the sockets that have something, and only looks for where
/// events and answers end.
/// </summary>
internal sealed class DrainingClient(Uri server, TimeSpan patience)
{
    private const int NapMilliseconds = 1;
    private static readonly TimeSpan MostQuiet = TimeSpan.FromMilliseconds(100);

    /// <summary>
    /// Sends every body to a path, so many times one behind another, and reads the events to their end.
    /// </summary>
    /// <exception cref="BenchException">An answer is no stream, or takes too long.</exception>
    public HttpArmRun Run(
        string path, IReadOnlyList<string> bodies, int times, CancellationToken cancellation)
    {
        Socket[] sockets = [.. bodies.Select(_ => new Socket(SocketType.Stream, ProtocolType.Tcp))];
        byte[][] requests = [.. bodies.Select(body => Request(path, body))];
        try
        {
            foreach (Socket socket in sockets)
            {
                socket.NoDelay = true;
                socket.Connect(server.Host, server.Port);
            }
            return Drain(sockets, requests, times, cancellation);
        }
        finally
        {
            foreach (Socket socket in sockets)
                socket.Dispose();
        }
    }

    private HttpArmRun Drain(
        Socket[] sockets, byte[][] requests, int times, CancellationToken cancellation)
    {
        byte[] buffer = new byte[1 << 18];
        DrainedEvents[] answers = [.. sockets.Select(_ => new DrainedEvents())];
        int[] left = [.. sockets.Select(_ => times - 1)];
        Dictionary<Socket, int> places = sockets.Index().ToDictionary(one => one.Item, one => one.Index);
        HttpArmRun all = default;
        foreach ((Socket socket, byte[] request) in sockets.Zip(requests))
            socket.Send(request);
        long end = Environment.TickCount64 + (long)patience.TotalMilliseconds;
        while (places.Count > 0)
        {
            cancellation.ThrowIfCancellationRequested();
            if (Environment.TickCount64 > end)
                throw new BenchException($"no end of the answers within {patience.TotalSeconds:F0} s");
            Thread.Sleep(NapMilliseconds);
            List<Socket> ready = [.. places.Keys];
            Socket.Select(ready, null, null, MostQuiet);
            foreach (Socket socket in ready)
            {
                int i = places[socket];
                answers[i].Add(buffer.AsSpan(0, socket.Receive(buffer)));
                if (!answers[i].HasEnded)
                    continue;
                all += answers[i].Result;
                answers[i] = new();
                if (left[i]-- > 0)
                    socket.Send(requests[i]);
                else
                    places.Remove(socket);
            }
        }
        return all;
    }

    private byte[] Request(string path, string body) => Encoding.UTF8.GetBytes(
        $"POST {path} HTTP/1.1\r\nHost: {server.Authority}\r\nContent-Type: application/json\r\n"
        + string.Create(CultureInfo.InvariantCulture, $"Content-Length: {body.Length}\r\n\r\n{body}"));
}
