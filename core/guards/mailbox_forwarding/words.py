"""What a thief does not want the owner of a mailbox to read, in the languages of mailboxes.

Money, alarms, and answers that did not arrive. The English words are those that public detections
of hiding rules look for (Microsoft Sentinel, Elastic, Splunk, Sigma, write-ups of 2020 to 2026);
the others say the same. A word counts at its beginning ("invoic" in "Invoices"); one that ends in a
full stop counts as a whole word.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache

from core.look_alikes import fold_accents, list_readings

# The people of one organization file by the same words.
CACHE_SIZE = 1_024
MAX_WORD_LENGTH = 400
"""Longer texts are compared as far as this."""

WORDS_BY_LANGUAGE = {
    "English": """
        invoic, payment, payroll, paycheck, paycheque, paystub, pay stub, payslip, salary, remit,
        overdue, past due, purchase order, bank, iban., swift., sepa., ach., eft., bacs., wire.,
        wires., wiring, wire transfer, transfer, fund., funds., deposit, direct deposit,
        routing number, account number, escrow, closing cost, closing disclosure, gift card,
        w-2., w2., sort code, beneficiary,
        password, passcode, pass word, hack, hijack, phish, spam., spoof, scam, fraud, fake.,
        malicious, malware, ransom, virus, infected, trojan, stolen, impersonat,
        suspicious, unusual activity, unusual sign, unauthori,
        security, secure., breach, compromis, do not open, do not click, do not reply to,
        account lock, account suspend, account alert, login attempt, sign-in, log-in attempt,
        new login, new sign in, reset., password reset, verification code, verify your,
        helpdesk, help desk, service desk, it support, tech support, undeliver, undelivered,
        delivery status, delivery fail, delivery has failed, delivery incomplete, returned mail,
        failure notice, mail delivery, non-delivery, nondelivery, ndr., bounced, mailer-daemon,
        postmaster, mfa., 2fa., multi-factor, multifactor, two-factor, two factor, authenticat""",
    "German": """
        rechnung, zahlung, uberweis, ueberweis, lastschrift, mahnung, kontodaten, gehalt, lohnab,
        lohnzettel, kennwort, passwort, sicherheit, unzustellbar, nicht zustellbar, betrug,
        betrueg, verdachtig, verdaecht, gehackt, gefalscht, schadsoftware, anmeldeversuch,
        neue anmeldung, nicht offnen, kompromitt, virenwarnung, sicherheitswarnung""",
    "French": """
        factur, paiement, virement, mot de passe, securite, non remis, non distribu, fraude,
        hameconnage, pirat, salaire, fiche de paie, bulletin de paie, bancaire, banque, arnaque,
        courrier suspect, activite suspecte, tentative de connexion, echec de la remise""",
    "Spanish": """
        factur, pago., pagos., transferencia, contrasena, seguridad, nomina., nominas., fraude,
        estafa, sospechos, no entregad, no se pudo entregar, banco, bancari, suplantacion""",
    "Italian": """
        fattur, pagament, bonific, sicurezza, stipend, busta paga, frode, truffa, sospett,
        mancato recapito, non recapit, banca., banche., bancari, parola chiave""",
    "Portuguese": """
        fatura, pagament, senha, palavra-passe, seguranca, transferencia, boleto, salario,
        golpe., suspeit, nao entregue, falha na entrega, nota fiscal""",
    "Dutch": """
        factuur, facturen, betaling, wachtwoord, beveiliging, niet bezorgd, onbestelbaar, fraude,
        verdacht, salaris, loonstrook, overboeking, rekeningnummer, oplichting, gehackt""",
    "Swedish, Danish, Norwegian": """
        faktura, betalning, betaling, losenord, passord, adgangskode, kodeord, sakerhet, sikkerhet,
        sikkerhed, lonespec, lonnsslipp, lonseddel, lonsedd, overforing, overforsel, bedrageri,
        svindel, misstankt, mistenkelig, mistaenkelig, mistænkelig, kunne ikke leveres,
        kunde inte levereras, utbetalning, hacka""",
    "Polish": """
        przelew, haslo, hasla, faktur, platnos, wyplat, wynagrodzen, bezpieczenstw, oszust,
        podejrzan, niedostarcz, nie dostarcz, wlamani, konto bankowe""",
    "Czech, Slovak": """
        platb, prevod, heslo, hesla, bezpecnost, podvod, podezrel, podozriv, nedorucitel, vyplat,
        mzdov, ucet cislo, uhrada""",
    "Hungarian": "szamla, fizetes, utalas, jelszo, biztonsag, csalas, gyanus, kezbesithetetlen",
    "Romanian": "plata., plati., parola, securitate, salari, suspect., nelivrat, virament",
    "Turkish": """
        odeme, havale, sifre, guvenlik, dolandir, supheli, maas., teslim edilemedi, banka, fatura,
        parola""",
    "Finnish": "lasku., laskut., maksu, tilisiirto, salasana, tietoturva, huijaus, palkka",
    "Greek": "τιμολογ, πληρωμ, κωδικ, ασφαλεια, απατη, μισθ, τραπεζ, εμβασμα, υποπτ",
    "Russian": """
        счет, оплат, платеж, перевод, пароль, безопасност, мошенн, подозрит, зарплат, банк, взлом,
        вирус, фишинг, не доставлен, реквизит""",
    "Ukrainian": "рахунок, рахунк, платіж, переказ, безпек, шахра, підозріл, невдала доставка",
    "Bulgarian": "фактур, плащан, парол, сигурност, измам, заплат, превод",
    "Japanese": """
        請求, 支払, 振込, 銀行, パスワード, セキュリティ, 警告, 不正, 給与, 詐欺, 配信不能,
        配信できません, 認証""",
    "Chinese": """
        发票, 發票, 付款, 支付, 转账, 轉帳, 汇款, 匯款, 银行, 密码, 密碼, 安全,
        工资, 薪資, 欺诈, 詐騙, 钓鱼, 釣魚, 退信, 无法送达, 無法傳送, 验证码, 驗證""",
    "Korean": """
        송장, 청구, 결제, 지불, 송금, 은행, 비밀번호, 보안, 경고, 급여, 사기, 피싱, 인증""",
    "Arabic": "فاتورة, دفع, تحويل, كلمة المرور, أمان, راتب, احتيال, بنك",
    "Hebrew": "חשבונית, תשלום, העברה, סיסמה, אבטחה, משכורת, הונאה, בנק",
    "Persian": "فاکتور, پرداخت, رمز عبور, گذرواژه, امنیت, کلاهبرداری, انتقال وجه, بانک",
    "Hindi": "चालान, इनवॉइस, भुगतान, पासवर्ड, बैंक, सुरक्षा, धोखाधड़ी, वेतन",
    "Thai": """
        ใบแจ้งหนี้, ใบเสร็จ, ชำระเงิน, โอนเงิน, ธนาคาร, รหัสผ่าน, ความปลอดภัย, เงินเดือน,
        หลอกลวง""",
    "Vietnamese": """
        hóa đơn, thanh toán, chuyển khoản, ngân hàng, mật khẩu, bảo mật, lừa đảo, tiền lương,
        bảng lương, đáng ngờ""",
    "Indonesian, Malay": """
        tagihan, pembayaran, kata sandi, kata laluan, rekening, keamanan, keselamatan, penipuan,
        gaji., mencurigakan, invois""",
    "Croatian, Serbian, Slovene": """
        račun., računa., računi., plaćanj, plačil, uplat, isplat, lozink, zapork, geslo., sigurnost,
        varnost, prevar, prijevar, sumnjiv, рачун., рачуна., рачуни., плаћањ, лозинк, безбедност,
        превар""",
    "Lithuanian": "sąskait, mokėjim, slaptažod, saugum, apgavyst, sukčiav, atlyginim",
    "Latvian": "rēķin, maksājum, drošīb, krāpšan, krāpniec",
    "Estonian": "arve., arved., makse., maksed., parool, salasõna, turvalisus, pettus, palgaleht",
    "Catalan": "pagament, contrasenya, seguretat, transferència, frau., nòmina.",
}
# A word alone that says nothing beside others: "job alerts" is a newsletter, "alert" is not. What
# stands before the subject of every answer takes all answers (RFC 5322, 3.6.5, and mail programs).
WHOLE_TEXTS = re.compile(
    r"\W*(?:(?:security |login |fraud |sign-in )?alerts?|fatal|urgent wire)\W*"
    r"|\W*(?:re|aw|sv|vs|antw|odp|ynt|vá|va|rif|res|rv|fw|fwd|wg|tr|vb|enc|doorst|pd|ilt)\s*:\W*"
)


def split_names(text: str) -> frozenset[str]:
    """A list of single words, written with spaces between them."""
    return frozenset(text.split())


def list_words() -> tuple[str, ...]:
    """Every word of every language, without what the layout of the list added."""
    words = (
        " ".join(word.split()) for text in WORDS_BY_LANGUAGE.values() for word in text.split(",")
    )
    return tuple(dict.fromkeys(words))


INDEXED_LETTERS = 2


def has_spaces_before(word: str) -> bool:
    """False for Chinese, Japanese, Korean and Thai, which put no space before a word."""
    is_thai = unicodedata.name(word[0], "").startswith("THAI ")
    return not is_thai and unicodedata.east_asian_width(word[0]) != "W"


def index_words() -> Mapping[str, tuple[tuple[str, bool], ...]]:
    """The words that begin after a space, by their first letters, each with whether it ends there.

    One expression of all of them takes ten times as long, and a large tenant has many rules.
    """
    found: defaultdict[str, list[tuple[str, bool]]] = defaultdict(list)
    for word in filter(has_spaces_before, list_words()):
        text = fold_accents(word.removesuffix("."))
        found[text[:INDEXED_LETTERS]].append((text, word.endswith(".")))
    return {start: tuple(words) for start, words in found.items()}


WORD_START = re.compile(r"(?<!\w)\w")
WORDS_BY_START = index_words()
JOINED_WORDS = tuple(fold_accents(word) for word in list_words() if not has_spaces_before(word))


def contains_word(text: str) -> bool:
    """True for a folded text in which a word of the list stands."""
    for found in WORD_START.finditer(text):
        at = found.start()
        for word, ends in WORDS_BY_START.get(text[at : at + INDEXED_LETTERS], ()):
            after = at + len(word)
            if text.startswith(word, at) and not (ends and is_word_sign(text[after : after + 1])):
                return True
    return not text.isascii() and any(word in text for word in JOINED_WORDS)


def is_word_sign(sign: str) -> bool:
    """True for a sign that goes on with a word."""
    return sign.isalnum() or sign == "_"


@lru_cache(CACHE_SIZE)
def is_telling(text: str) -> bool:
    """True for a text that a thief would look for, whatever letters it is written with."""
    return any(
        contains_word(reading) or WHOLE_TEXTS.fullmatch(reading)
        for reading in list_readings(text[:MAX_WORD_LENGTH])
    )


def has_telling_word(text: str) -> bool:
    """True for a text of any length in which a word stands that a thief would use."""
    return is_telling(text[:MAX_WORD_LENGTH]) or any(map(contains_word, list_readings(text)))
