"""What fields and event types are called where, for guesses: the words of common formats and shops."""

import re

# Names as they are called without case, blanks and underscores; those before others are preferred.
NAMES = {
    "visitor_id": "visitorid anonymousid userpseudoid clientid cookieid deviceid domainuserid fullvisitorid visitor cookie guestid",
    "account_id": "accountid userid customerid memberid uid householdid account user customer member buyerid",
    "received_at": "receivedat receivedtime servertime ingestedat collectortstamp",
    "source_session_id": "sessionid visitid usersession session visit sid idvisit",
    "item_id": "itemid productid sku stockcode articleid asin itemsku productsku variantid product item article goodsid",
    "quantity": "quantity qty itemquantity units pieces",
    "price": "unitprice itemprice price productprice salesprice",
    "currency": "currency currencycode",
    "order_id": "orderid transactionid invoiceno invoiceid invoice ordernumber basketid order",
    "rating": "rating stars",
    "review_text": "reviewtext reviewbody review",
    "query": "query searchterm searchquery search keyword keywords q",
    "page_url": "pageurl url pagelocation page uri path",
    "device": "devicetype devicecategory device platform",
    "country": "country countrycode",
    "category": "categoryid category categorycode productcategory itemcategory department",
    "campaign_id": "campaignid campaign utmcampaign",
    "position": "position rank slot",
}
EVENT_TYPE = "eventtype eventname event action behaviour behavior behaviortype activity type act"
# What was created may be the account: such a time goes behind those of events.
EVENT_AT = "eventat eventtime eventtimestamp timestamp occurredat datetime time ts at when createdat date eventdate day"
SITE_ID = "siteid idsite appid shopid storeid"
EVENT_ID = "eventid messageid uuid hitid insertid logid id"
LITERALS = {
    "page_view": "pageview pageviewed page visit screenview screen home landing",
    "item_view": "view pv itemview viewitem productview productviewed viewedproduct detail viewproduct itempage",
    "search": "search searched productssearched sitesearch viewsearchresults find",
    "add_to_cart": "addtocart cart cartadd productadded addedtocart addtobasket basket add atc",
    "remove_from_cart": "removefromcart cartremove productremoved removefrombasket remove",
    "favourite": "favourite favorite fav wishlist addtowishlist like save",
    "checkout": "checkout begincheckout checkoutstarted startcheckout",
    "purchase": "purchase purchased buy bought transaction sale order ordered ordercompleted completedorder pay payment paid orders"
    " ecommerceorder",
    "refund": "refund refunded return returned cancel orderrefunded",
    "review": "review reviewed rate rating rated",
    "share": "share shared",
    "impression": "impression shown exposure display itemlistview",
    "click": "click clicked itemclick productclicked selectitem",
    "engagement": "engagement scroll login signin signup ping heartbeat sessionstart",
}

MAYBE_SALES = "order ordered orders"
"""Literals that are a sale where no other is one. Beside another they may be a step before it, or the same sale once more."""
NUMBERS = {"quantity", "price", "rating", "position"}
"""Columns that hold numbers: a field of another kind is none of them, whatever it is called."""
TIMES = {"received_at"}
OF_THE_OBJECT = {"id", "uuid", "type"}
"""Names that say nothing without that of the object they belong to: `customer.id`, `device.type`."""
ENVELOPES = {"event", "record", "message", "hit", "action", "payload", "data", "body", "log"}
"""Objects whose id or type is that of the event."""


def bare(name: str) -> str:
    """A name without case, blanks and underscores."""
    return re.sub(r"[\W_]+", "", name.lower())


def is_known(name: str) -> bool:
    """Whether fields are called so."""
    return bare(name) in {word for words in (*NAMES.values(), EVENT_TYPE, EVENT_AT, EVENT_ID, SITE_ID) for word in words.split()}
