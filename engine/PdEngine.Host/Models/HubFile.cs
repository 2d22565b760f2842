using System.Globalization;
using System.Text;

namespace PdEngine.Host;

/// <summary>A file of a repository on a hub.</summary>
/// <param name="Name">Inside the repository; proven to stay inside a folder.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="Sha256">Of its content, where it is held apart (LFS); else null.</param>
/// <param name="BlobSha1">Of git's blob, where git holds it; else null.</param>
internal sealed record HubFile(string Name, long Bytes, string? Sha256, string? BlobSha1)
{
    /// <summary>What names its content, and what is there of it so far.</summary>
    public string Key => Sha256 ?? BlobSha1 ?? "unknown";

    /// <summary>Whether a part of it can be told from that of another file of its name.</summary>
    public bool HasHash => Sha256 is not null || BlobSha1 is not null;

    /// <summary>Whether some content is that of the file.</summary>
    public bool IsOf(ContentHash hash) => hash.Bytes == Bytes
        && (Sha256 is null || Sha256 == hash.Sha256) && (BlobSha1 is null || BlobSha1 == hash.BlobSha1);

    /// <summary>Whether a name stays inside whatever folder it is put into, and shows what it is.</summary>
    public static bool IsInside(string name) =>
        name.Length is > 0 and <= 1024 && name.IndexOfAny(['\\', ':', '*', '?', '"', '<', '>', '|']) < 0
        && !name.EnumerateRunes().Any(IsUnseen)
        && name.Split('/').All(part => part is not ("" or "." or "..") && part.Length <= 200
            && part[0] != '~' && part[^1] is not (' ' or '.'))
        && !name.StartsWith(PullFolder.PartialsName, StringComparison.Ordinal)
        && name.Split('/')[0] is not ".git";

    /// <summary>Control characters, and what turns text around or is not drawn.</summary>
    private static bool IsUnseen(Rune letter) => Rune.GetUnicodeCategory(letter)
        is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator
        or UnicodeCategory.ParagraphSeparator;
}
