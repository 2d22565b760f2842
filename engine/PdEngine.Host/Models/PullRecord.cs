using System.Text.Json;

namespace PdEngine.Host;

/// <summary>
/// What a folder was pulled from, kept in it: the next pull may replace a file that is as it came.
/// </summary>
/// <param name="Repo">Owner and name.</param>
/// <param name="Listing">The commit, and the files that it gave.</param>
internal sealed record PullRecord(string Repo, HubListing Listing)
{
    public const string Name = ".pdengine-pull.json";

    /// <summary>The folder's; null where there is none, or none that can be believed.</summary>
    public static PullRecord? Read(string folder)
    {
        FileInfo file = new(Path.Combine(folder, Name));
        if (!file.Exists || file.LinkTarget is not null)
            return null;
        try
        {
            byte[] json = File.ReadAllBytes(file.FullName);
            // In the hub's own shape: names that leave the folder are refused as the hub's are.
            HubListing listing = HubListing.Parse(json);
            using JsonDocument document = JsonDocument.Parse(json);
            return new(document.RootElement.GetProperty("repo").GetString() ?? "", listing);
        }
        catch (Exception fault) when (fault
            is IOException or KeyNotFoundException or InvalidOperationException)
        {
            return null;
        }
    }

    public void Write(string folder)
    {
        using PartialOutput output = new(Path.Combine(folder, Name), isFolder: false);
        using (FileStream file = File.Create(output.Place))
        using (Utf8JsonWriter json = new(file, new() { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteString("repo", Repo);
            json.WriteString("sha", Listing.Commit);
            json.WriteStartArray("siblings");
            foreach (HubFile one in Listing.Files)
                Write(json, one);
            json.WriteEndArray();
            json.WriteEndObject();
        }
        output.Commit();
    }

    private static void Write(Utf8JsonWriter json, HubFile file)
    {
        json.WriteStartObject();
        json.WriteString("rfilename", file.Name);
        json.WriteNumber("size", file.Bytes);
        if (file.BlobSha1 is { } blob)
            json.WriteString("blobId", blob);
        if (file.Sha256 is { } sha256)
        {
            json.WriteStartObject("lfs");
            json.WriteString("sha256", sha256);
            json.WriteEndObject();
        }
        json.WriteEndObject();
    }
}
